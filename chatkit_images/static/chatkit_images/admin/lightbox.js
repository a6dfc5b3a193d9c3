/* The lightbox of the gallery: an image with its facts, and all others of the result one
   after the other, across the pages of the list. */
'use strict';
document.addEventListener('DOMContentLoaded', function() {
    const dialog = document.getElementById('ck-lightbox');
    if (!dialog || !dialog.showModal) {
        return;
    }
    document.body.append(dialog); // A form of an image cannot be in that of the list.
    const facts = dialog.querySelector('.ck-lightbox-facts');
    const state = dialog.querySelector('.ck-lightbox-state');
    const ZOOMS = [1, 1.5, 2, 3, 4, 6, 8];
    let entries = [], at = 0, zoom = 1, opener = null, asked = 0;
    // Addresses of the pages of the list before and after those that were read.
    const further = {};

    function linksOf(page) {
        return [...page.querySelectorAll('#result_list tbody .field-image a')].map(function(link) {
            const address = new URL(link.getAttribute('href'), location.href);
            return {page: address.href, facts: new URL('../facts/' + address.search, address).href};
        });
    }

    function pageLink(page, rel) {
        const link = page.querySelector('#changelist a[rel="' + rel + '"]');
        return link ? new URL(link.getAttribute('href'), location.href).href : null;
    }

    function begin() {
        entries = linksOf(document);
        further.prev = pageLink(document, 'prev');
        further.next = pageLink(document, 'next');
    }

    async function get(url) {
        const response = await fetch(url, {headers: {Accept: 'text/html'}});
        if (!response.ok || response.redirected) {
            throw new Error(response.status); // Gone, or logged out.
        }
        return new DOMParser().parseFromString(await response.text(), 'text/html');
    }

    // Read the page of the list before or after; return whether it had images.
    async function readOn(rel) {
        if (!further[rel]) {
            return false;
        }
        const page = await get(further[rel]);
        const known = new Set(entries.map(entry => entry.page.split('?')[0]));
        const found = linksOf(page).filter(entry => !known.has(entry.page.split('?')[0]));
        further[rel] = found.length ? pageLink(page, rel) : null;
        if (rel === 'next') {
            entries.push(...found);
        } else {
            entries.unshift(...found);
            at += found.length;
        }
        return found.length > 0;
    }

    async function step(by) {
        try {
            const isBeyond = at + by < 0 || at + by >= entries.length;
            if (isBeyond && !await readOn(by < 0 ? 'prev' : 'next')) {
                state.textContent = dialog.dataset.last;
                return;
            }
        } catch {
            state.textContent = dialog.dataset.lost;
            return;
        }
        at += by;
        await show();
    }

    async function show() {
        const mine = ++asked;
        let children = [];
        try {
            const page = await get(entries[at].facts);
            children = [...page.body.childNodes];
        } catch {
            // The image is gone, or so is the person's login.
        }
        if (mine !== asked) {
            return; // The person has gone on meanwhile.
        }
        const hadFocus = facts.contains(document.activeElement);
        facts.replaceChildren(...children);
        const image = facts.querySelector('.ck-view .ck-image');
        const prompt = facts.querySelector('.ck-long');
        state.textContent = children.length ? (image ? image.alt : prompt ? prompt.textContent : '').slice(0, 140) : dialog.dataset.lost;
        setZoom(1);
        if (hadFocus) {
            dialog.querySelector('[data-ck-close]').focus();
        }
    }

    function setZoom(value) {
        zoom = value;
        const view = facts.querySelector('.ck-view');
        const image = view && view.querySelector('.ck-image');
        if (!image) {
            return;
        }
        image.style.width = image.style.height = '';
        view.classList.toggle('ck-is-zoomed', zoom > 1);
        if (zoom > 1) {
            view.classList.remove('ck-is-zoomed');
            const {width, height} = image.getBoundingClientRect();
            view.classList.add('ck-is-zoomed');
            image.style.width = width * zoom + 'px';
            image.style.height = height * zoom + 'px';
            view.scrollTo((view.scrollWidth - view.clientWidth) / 2, (view.scrollHeight - view.clientHeight) / 2);
        }
    }

    function zoomBy(by) {
        const place = ZOOMS.indexOf(zoom) + by;
        setZoom(ZOOMS[Math.max(0, Math.min(ZOOMS.length - 1, place))]);
    }

    function pan(key) {
        const by = 80, view = facts.querySelector('.ck-view');
        const [x, y] = {ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by]}[key];
        view.scrollBy(x, y);
    }

    document.addEventListener('click', function(event) {
        const link = event.target.closest && event.target.closest('#result_list .field-image a');
        const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
        if (!link || !isPlain) {
            return; // A modifier opens the page, as with any link.
        }
        event.preventDefault();
        opener = link;
        begin();
        at = entries.findIndex(entry => entry.page === link.href);
        dialog.showModal();
        show();
    });

    dialog.addEventListener('close', function() {
        ++asked;
        facts.replaceChildren();
        const current = entries[at] && entries[at].page;
        const links = [...document.querySelectorAll('#result_list .field-image a')];
        (links.find(link => link.href === current) || opener).focus();
    });

    dialog.addEventListener('click', function(event) {
        const {ckStep, ckZoom, ckClose, ckSource} = (event.target.closest('button') || event.target).dataset;
        if (ckStep) {
            step(Number(ckStep));
        } else if (ckZoom) {
            ckZoom === 'fit' ? setZoom(1) : zoomBy(ckZoom === 'in' ? 1 : -1);
        } else if (ckClose !== undefined || event.target === dialog) {
            dialog.close();
        } else if (ckSource) {
            const image = facts.querySelector('.ck-view .ck-image');
            if (image) {
                image.src = ckSource;
            }
            for (const button of facts.querySelectorAll('[data-ck-source]')) {
                button.setAttribute('aria-pressed', button.dataset.ckSource === ckSource);
            }
        }
    });

    dialog.addEventListener('dblclick', function(event) {
        if (event.target.matches('.ck-view .ck-image')) {
            setZoom(zoom > 1 ? 1 : 2);
        }
    });

    dialog.addEventListener('keydown', function(event) {
        if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches('input, textarea')) {
            return;
        }
        const isRight = getComputedStyle(dialog).direction === 'rtl';
        if (event.key.startsWith('Arrow') && zoom > 1) {
            pan(event.key);
        } else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
            step((event.key === 'ArrowRight') !== isRight ? 1 : -1);
        } else if (event.key === '+' || event.key === '=') {
            zoomBy(1);
        } else if (event.key === '-') {
            zoomBy(-1);
        } else if (event.key === '0') {
            setZoom(1);
        } else {
            return;
        }
        event.preventDefault();
    });
});
