/* An image whose bytes are gone becomes a tile that says so. */
'use strict';
{
    function replace(img) {
        const tile = document.createElement('span');
        tile.className = 'ck-tile';
        tile.textContent = img.dataset.missing;
        if (img.alt) {
            const alt = document.createElement('span');
            alt.className = 'visually-hidden';
            alt.textContent = ': ' + img.alt;
            tile.append(alt);
        }
        img.replaceWith(tile);
    }

    // Such an error does not bubble, but it can be captured. This script is in the head,
    // so it captures the errors of all images of the page.
    document.addEventListener('error', function(event) {
        if (event.target.matches && event.target.matches('img.ck-image')) {
            replace(event.target);
        }
    }, true);
}
