// On top of mdBook's own scripts: what a page of this book does that neither
// mdBook nor a stylesheet can.
'use strict';

// Answers are unfolded on paper. The stylesheet does it, too, but not in the
// browsers that came before ::details-content (in 2024 and 2025).
(() => {
    let unfolded = [];
    addEventListener('beforeprint', () => {
        unfolded = [...document.querySelectorAll('details:not([open])')];
        for (const details of unfolded) details.open = true;
    });
    addEventListener('afterprint', () => {
        for (const details of unfolded) details.open = false;
    });
})();

// The keyboard's first stop leads past the table of contents, to the text. It
// takes the focus only for this: a click in the text leaves the focus alone.
(() => {
    const main = document.querySelector('main');
    main.id ||= 'main-text';
    main.onblur = () => main.removeAttribute('tabindex');
    const skip = document.createElement('a');
    skip.className = 'skip';
    skip.href = `#${main.id}`;
    skip.textContent = 'Skip to the text';
    skip.onclick = () => { main.tabIndex = -1; };
    document.body.prepend(skip);
})();

// What mdBook leaves to the eye and the mouse: what opens the table of contents
// is a label, which has neither keys nor a name nor a state, so a button takes
// its place and presses it. The bar that it is in and the search are no
// landmarks, and the field of the search has no name.
(() => {
    const mend = (id, attributes) => {
        const element = document.getElementById(id);
        for (const [name, value] of Object.entries(attributes))
            element.setAttribute(name, value);
    };
    mend('mdbook-menu-bar', { role: 'banner' });
    mend('mdbook-search-wrapper', { role: 'search' });
    mend('mdbook-searchbar', { 'aria-label': 'Search this book',
        'aria-describedby': 'mdbook-searchresults-header' });
    const label = document.getElementById('mdbook-sidebar-toggle');
    const button = document.createElement('button');
    button.type = 'button';
    for (const name of ['class', 'title', 'aria-label', 'aria-controls'])
        button.setAttribute(name, label.getAttribute(name));
    button.append(...label.childNodes);
    button.onclick = () => label.click();
    const tell = () => {
        button.ariaExpanded = label.getAttribute('aria-expanded');
    };
    tell();
    new MutationObserver(tell).observe(label, { attributes: true });
    label.style.display = 'none';
    label.after(button);
})();

// Arrow keys turn pages, in mdBook. They scroll a box instead while it has the
// focus, which it gets by Tab as long as it is too narrow for what is in it.
(() => {
    const kinds = {
        'pre > code': 'Code',
        '.table-wrapper': 'Table',
        '.katex-display': 'Formula',
        'p:has(> .katex)': 'Text with a formula',
        figure: 'Figure',
    };
    const scrolls = (box) =>
        box.scrollWidth > box.clientWidth + 1 &&
        ['auto', 'scroll'].includes(getComputedStyle(box).overflowX);

    const names = new Map();
    const update = (box) => {
        if (scrolls(box)) {
            box.tabIndex = 0;
            // A figure is named by its caption.
            if (box.localName === 'figure') return;
            box.setAttribute('role', 'group');
            box.setAttribute('aria-label', names.get(box));
        } else if (box.hasAttribute('tabindex')) {
            for (const name of ['tabindex', 'role', 'aria-label'])
                box.removeAttribute(name);
        }
    };
    // Boxes get wider and narrower, and so do letters when their font comes.
    const observer = new ResizeObserver((entries) => {
        for (const { target } of entries) update(target);
    });
    document.fonts.addEventListener('loadingdone', () => {
        for (const box of names.keys()) update(box);
    });
    for (const [kind, name] of Object.entries(kinds)) {
        for (const box of document.querySelectorAll(`main ${kind}`)) {
            names.set(box, name);
            observer.observe(box);
        }
    }

    // What has a use of its own for these keys; mdBook knows of form fields.
    const own =
        'summary, [contenteditable], [role="menuitem"], [role="slider"]';
    // Before mdBook's listener, which is the document's.
    document.body.addEventListener('keydown', (event) => {
        if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
        // With Shift they select.
        let taken = event.shiftKey || event.target.closest(own);
        let box = event.target;
        while (!taken && box !== document.body) {
            taken = scrolls(box);
            box = box.parentElement;
        }
        if (taken) event.stopPropagation();
    });
})();

// A figure of the lab comes to life when its button is pressed. Nothing is loaded
// before, and where no script runs there is no button.
(() => {
    const load = () => new Promise((done, fail) => {
        if (globalThis.lab) return done();
        const script = document.createElement('script');
        script.src = `${path_to_root}lab/lab.js`;
        script.onload = done;
        script.onerror = () => fail(new Error('lab.js could not be loaded'));
        const style = document.createElement('link');
        style.rel = 'stylesheet';
        style.href = `${path_to_root}lab/lab.css`;
        document.head.append(style, script);
    });
    for (const figure of document.querySelectorAll('figure[data-lab]')) {
        const button = document.createElement('button');
        button.className = 'lab-open-button';
        button.type = 'button';
        button.textContent = figure.dataset.button ?? 'Try it yourself';
        button.onclick = async () => {
            button.disabled = true;
            button.textContent = 'One moment…';
            try {
                await load();
                await globalThis.lab.open(figure);
                button.remove(); // and the keyboard goes on from here
                figure.querySelector('.lab').focus({ preventScroll: true });
                // What is below the figure stays where it was; its top may not
                const { top } = figure.getBoundingClientRect();
                if (top < 0) figure.scrollIntoView({ block: 'start' });
            } catch (error) {
                button.disabled = false;
                button.textContent = `It did not start (${error.message}). Try again`;
            }
        };
        figure.append(button);
    }
})();
