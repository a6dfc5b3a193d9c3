/* What is being made, as it forms: the strip of the gallery, the page of live images, and
   open pages of images, runs and threads that go on.

   It asks while somebody looks at the page, more seldom while nothing happens or the
   server does not answer, and no more once the person may not see it. */
'use strict';
{
    const OFTEN = 1000, SELDOM = 4000, LONGEST = 30000;
    // How long a tile stays in the strip once it has ended, to be seen in both places.
    const STAYS = 4000;
    const MOST_ENDED = 24;
    // Tiles that are asked for by name at once, and tiles of images that form.
    const MOST_ASKED = 50, MOST_FORMING = 300;

    class Out extends Error {}

    async function ask(url) {
        // A redirect leads to the login.
        const response = await fetch(url, {redirect: 'manual', headers: {Accept: 'application/json'}});
        if (response.type === 'opaqueredirect' || response.status === 401 || response.status === 403 || response.status === 404) {
            throw new Out();
        }
        if (!response.ok) {
            throw new Error(response.status);
        }
        return response.status === 204 ? null : response.json();
    }

    /* Calls `once`, which returns the pause until the next time, while the page is seen. */
    function follow(once, tell) {
        let pause = OFTEN, timer = 0, busy = false, over = false;

        async function run() {
            timer = 0;
            if (busy || over || document.hidden) {
                return;
            }
            busy = true;
            try {
                pause = await once();
                tell('');
            } catch (error) {
                over = error instanceof Out;
                pause = Math.min(LONGEST, pause * 2);
                tell(over ? 'out' : 'lost');
            }
            busy = false;
            over = over || pause === null;
            if (!over && !document.hidden) {
                timer = setTimeout(run, pause);
            }
        }

        document.addEventListener('visibilitychange', function() {
            clearTimeout(timer);
            run();
        });
        run();
    }

    function fragment(html) {
        const template = document.createElement('template');
        template.innerHTML = html;
        return template.content;
    }

    /* Puts new content into a tile. The image before stays until the next one is here. */
    async function fill(tile, html) {
        const content = fragment(html), next = content.querySelector('img');
        const before = tile.querySelector('img');
        tile.dataset.html = html;
        if (next && before && next.getAttribute('src') !== before.getAttribute('src')) {
            const loaded = new Image();
            loaded.src = next.getAttribute('src');
            try {
                await loaded.decode();
            } catch {
                // Something newer has replaced it, or will.
                next.replaceWith(before.cloneNode());
            }
            if (tile.dataset.html !== html) {
                return;
            }
        }
        if (next) {
            next.removeAttribute('loading');
        }
        tile.replaceChildren(content);
    }

    function live(section) {
        const forming = section.querySelector('[data-ck-forming]');
        const ended = section.querySelector('[data-ck-ended]');
        const note = section.querySelector('.ck-live-note');
        const keeps = 'ckKeep' in section.dataset;
        const tiles = new Map();
        let version = '', offset = 0;

        function count() {
            const any = tiles.size > 0;
            if (keeps) {
                section.querySelector('[data-ck-none]').hidden = any;
                section.querySelector('[data-ck-done]').hidden = !ended.children.length;
            } else {
                section.hidden = !any && !note.textContent;
            }
        }

        function tell(name) {
            note.textContent = name ? section.dataset[name] : '';
            count();
        }

        function clock() {
            for (const tile of tiles.values()) {
                const place = tile.querySelector('[data-ck-seconds]');
                if (place) {
                    const passed = Math.max(0, Date.now() + offset - tile.dataset.started);
                    const [words, unit] = passed < 120000
                        ? [section.dataset.seconds, 1000]
                        : [section.dataset.minutes, 60000];
                    place.textContent = words.replace('%s', Math.floor(passed / unit));
                }
            }
        }

        function end(id, tile) {
            tiles.delete(id);
            tile.classList.add('ck-is-ended');
            if (keeps) {
                ended.prepend(tile);
                while (ended.children.length > MOST_ENDED) {
                    ended.lastElementChild.remove();
                }
            } else {
                tiles.set('ended ' + id, tile);
                setTimeout(function() {
                    tiles.delete('ended ' + id);
                    tile.remove();
                    count();
                }, STAYS);
                join(id);
            }
        }

        async function once() {
            const url = new URL(section.dataset.ckLive, location.href);
            const lacking = [...tiles.values()].filter(tile => tile.dataset.lacks).map(tile => tile.dataset.id)
                .slice(0, MOST_ASKED);
            url.searchParams.set('have', version);
            if (lacking.length) {
                url.searchParams.set('ids', lacking.join(','));
            }
            const answer = await ask(url);
            if (answer) {
                version = answer.version;
                offset = answer.now - Date.now();
                const seen = new Set();
                for (const image of answer.images.reverse()) {
                    seen.add(image.id);
                    let tile = tiles.get(image.id);
                    if (!tile && !image.isForming) {
                        continue; // It has ended before this page was here.
                    }
                    if (!tile) {
                        tile = document.createElement('li');
                        tile.dataset.id = image.id;
                        tiles.set(image.id, tile);
                        forming.prepend(tile);
                    }
                    delete tile.dataset.lacks;
                    tile.dataset.started = image.started;
                    if (tile.dataset.html !== image.html) {
                        const filled = fill(tile, image.html).then(clock);
                        if (!image.isForming) {
                            filled.then(() => end(image.id, tile));
                        }
                    }
                }
                for (const [id, tile] of tiles) {
                    if (answer.gone.includes(id)) {
                        tiles.delete(id);
                        tile.remove();
                    } else if (!seen.has(id) && !id.startsWith('ended ')) {
                        tile.dataset.lacks = 'yes';
                    }
                }
            }
            // The oldest goes first, as in the answer.
            while (forming.children.length > MOST_FORMING) {
                const oldest = forming.lastElementChild;
                tiles.delete(oldest.dataset.id);
                tiles.delete('ended ' + oldest.dataset.id);
                oldest.remove();
            }
            count();
            return tiles.size ? OFTEN : SELDOM;
        }

        setInterval(clock, 500);
        follow(once, tell);
    }

    /* The gallery. */

    const joining = new Set();
    let joined = null;

    function cardOf(page, id) {
        const link = page.querySelector(`#result_list tbody a[href*="${id}"]`);
        return link && link.closest('tr');
    }

    /* Puts the cards of images that have ended where the list has them. */
    function join(id) {
        joining.add(id);
        joined = joined || Promise.resolve().then(async function() {
            const ids = [...joining];
            joining.clear();
            joined = null;
            const response = await fetch(location.href, {redirect: 'manual'});
            if (!response.ok) {
                return; // The next load of the page shows them.
            }
            const page = new DOMParser().parseFromString(await response.text(), 'text/html');
            const list = document.querySelector('#result_list tbody');
            if (!list && page.querySelector('#result_list')) {
                // The list was empty, and says so in several places.
                document.getElementById('changelist').replaceWith(page.getElementById('changelist'));
                return;
            }
            for (const id of ids) {
                const card = cardOf(page, id), before = cardOf(document, id);
                if (card && before) {
                    const box = before.querySelector('input.action-select');
                    if (!box || !box.checked) {
                        before.replaceWith(card);
                    }
                } else if (card && list) {
                    list.prepend(card);
                }
            }
        });
    }

    /* The page of one row. */

    const PARTS = '[data-ck-part], .object-tools';

    function nameOf(part) {
        return part.dataset.ckPart || 'object-tools';
    }

    function swap(page) {
        const active = document.activeElement;
        const there = new Map([...page.querySelectorAll(PARTS)].map(part => [nameOf(part), part]));
        for (const part of document.querySelectorAll(PARTS)) {
            const next = there.get(nameOf(part));
            if (!next || next.outerHTML === part.outerHTML) {
                continue;
            }
            const open = [...part.querySelectorAll('details')].map(each => each.open);
            [...next.querySelectorAll('details')].forEach((each, at) => {
                each.open = open[at] ?? each.open;
            });
            const had = part.contains(active) ? active : null;
            part.replaceWith(next);
            if (had) {
                const same = [...next.querySelectorAll(had.tagName)].find(each => each.textContent === had.textContent);
                (same || next.querySelector('a, button'))?.focus();
            }
        }
    }

    function page(line) {
        const going = line.textContent;
        let version = null;

        async function once() {
            const {version: found} = await ask(line.dataset.ckState);
            if (found === version) {
                return OFTEN;
            }
            const response = await fetch(location.href, {redirect: 'manual'});
            if (!response.ok) {
                throw new Error(response.status);
            }
            const next = new DOMParser().parseFromString(await response.text(), 'text/html');
            swap(next);
            version = found;
            return next.querySelector('[data-ck-state]') ? OFTEN : null;
        }

        follow(async function() {
            const pause = await once();
            line.dataset.over = pause === null ? 'yes' : '';
            return pause;
        }, function(name) {
            line.textContent = name ? line.dataset[name] : line.dataset.over ? line.dataset.ended : going;
        });
    }

    document.addEventListener('DOMContentLoaded', function() {
        document.querySelectorAll('[data-ck-live]').forEach(live);
        document.querySelectorAll('[data-ck-state]').forEach(page);
    });
}
