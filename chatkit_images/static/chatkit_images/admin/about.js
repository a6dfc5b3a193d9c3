/* The buttons beside an image: copy its prompt, or a link that expires. */
'use strict';
{
    function tell(button, text, url) {
        const place = button.closest('.ck-about').querySelector('.ck-told');
        place.textContent = text;
        if (url) {
            // Where a browser copies nothing, a person can.
            const field = document.createElement('input');
            field.readOnly = true;
            field.value = url;
            field.setAttribute('aria-label', button.textContent);
            place.append(field);
            field.select();
        }
    }

    async function copied(text) {
        try {
            await navigator.clipboard.writeText(text);
            return true;
        } catch {
            return false; // Not over HTTP, or not allowed.
        }
    }

    async function copyText(button) {
        const {copied: done, failed} = button.closest('.ck-about').querySelector('.ck-told').dataset;
        const text = document.getElementById(button.dataset.ckCopy).textContent;
        tell(button, await copied(text) ? done : failed);
    }

    async function copyLink(button) {
        const {copied: done, failed} = button.closest('.ck-about').querySelector('.ck-told').dataset;
        const token = document.querySelector('[name=csrfmiddlewaretoken]').value;
        try {
            const response = await fetch(button.dataset.ckLink, {
                method: 'POST', headers: {'X-CSRFToken': token, Accept: 'application/json'},
            });
            const {url, message} = await response.json();
            if (!url) {
                tell(button, message);
            } else if (await copied(url)) {
                tell(button, done + ' ' + message, url);
            } else {
                tell(button, failed + ' ' + message, url);
            }
        } catch {
            tell(button, failed); // Offline, or logged out meanwhile.
        }
    }

    // The lightbox brings such buttons later.
    document.addEventListener('click', function(event) {
        const button = event.target.closest && event.target.closest('[data-ck-copy], [data-ck-link]');
        if (button) {
            (button.dataset.ckLink ? copyLink : copyText)(button);
        }
    });
    document.documentElement.dataset.ckScript = 'on';
}
