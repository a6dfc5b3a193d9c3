/* Goes on with the work on many images, part by part. Without it a button does. */
'use strict';
{
    const part = () => document.querySelector('#ck-bulk form[data-goes-on]');
    let paused = false;

    function show(next) {
        const here = document.getElementById('ck-bulk');
        // The status itself stays, so that screen readers are told of what is new in it.
        const said = here.querySelector('[role=status]');
        const news = next.querySelector('[role=status]');
        said.replaceChildren(...news.childNodes);
        news.replaceWith(said);
        here.replaceChildren(...next.childNodes);
        offerPause();
    }

    function offerPause() {
        const form = part();
        if (!form || paused) {
            return;
        }
        const button = document.createElement('button');
        button.type = 'button';
        button.className = 'button';
        button.textContent = document.getElementById('ck-bulk').dataset.pause;
        button.addEventListener('click', () => {
            paused = true;
            button.remove();
        });
        form.querySelector('.submit-row').append(button);
    }

    async function goOn() {
        const form = part();
        if (!form || paused) {
            return;
        }
        let next = null;
        try {
            const response = await fetch(form.action, {
                method: 'POST', body: new FormData(form), credentials: 'same-origin',
            });
            const page = new DOMParser().parseFromString(await response.text(), 'text/html');
            next = response.ok && page.getElementById('ck-bulk');
        } catch {
            next = null;
        }
        if (!next) {
            const here = document.getElementById('ck-bulk');
            const note = document.createElement('p');
            note.className = 'errornote';
            note.textContent = here.dataset.failed;
            here.querySelector('[role=status]').append(note);
            return;
        }
        show(next);
        goOn();
    }

    offerPause();
    goOn();
}
