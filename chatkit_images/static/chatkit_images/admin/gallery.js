/* Layout of the gallery, as the person has chosen it in this browser. Without this script
   it is a grid. */
'use strict';
{
    const root = document.documentElement;
    const DEFAULTS = {layout: 'grid', tiles: 'medium', filters: 'closed'};

    function read(name) {
        try {
            return localStorage.getItem('chatkit_images.' + name);
        } catch {
            return null; // The browser keeps nothing for this site.
        }
    }

    function keep(name, value) {
        try {
            localStorage.setItem('chatkit_images.' + name, value);
        } catch {
            // Then it lasts as long as the page.
        }
    }

    function attribute(name) {
        return 'ck' + name[0].toUpperCase() + name.slice(1);
    }

    // This script is in the head: the page is laid out once only.
    for (const [name, value] of Object.entries(DEFAULTS)) {
        root.dataset[attribute(name)] = read(name) || value;
    }
    const place = ['p', 'o', 'older', 'newer'];
    if ([...new URLSearchParams(location.search).keys()].some(key => !place.includes(key))) {
        root.dataset.ckFilters = 'open'; // Whoever filters sees by what.
    }

    document.addEventListener('DOMContentLoaded', function() {
        const tools = document.querySelector('.ck-tools');
        if (!tools) {
            return;
        }
        const filters = tools.querySelector('[data-ck-filters]');
        if (filters && !document.getElementById('changelist-filter')) {
            filters.parentElement.remove(); // The theme has them elsewhere.
        }
        function show() {
            for (const button of tools.querySelectorAll('[data-ck-set]')) {
                const chosen = root.dataset[attribute(button.dataset.ckSet)] === button.value;
                button.setAttribute('aria-pressed', chosen);
            }
            if (filters) {
                filters.setAttribute('aria-expanded', root.dataset.ckFilters === 'open');
            }
        }
        tools.addEventListener('click', function(event) {
            const button = event.target.closest('button');
            if (!button) {
                return;
            }
            const isOpen = root.dataset.ckFilters === 'open';
            const name = button.dataset.ckSet || 'filters';
            const value = button.dataset.ckSet ? button.value : isOpen ? 'closed' : 'open';
            root.dataset[attribute(name)] = value;
            keep(name, value);
            show();
        });
        show();
        tools.hidden = false;
    });
}
