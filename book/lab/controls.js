// The lab's buttons, sliders, menus and messages: elements of HTML, so that the
// keyboard and a screen reader know them.
'use strict';

Object.assign(lab, (() => {
    const SVG = 'http://www.w3.org/2000/svg';

    /** The baselines of the loss ladder, as the crate's `rungs` gives them. */
    const RUNGS = ['uniform', 'unigram', 'bigram', 'trigram', '4-gram',
                   '5-gram', '6-gram'];

    function fill(element, attributes, children) {
        for (const [name, value] of Object.entries(attributes)) {
            if (name.startsWith('on')) element[name] = value;
            else if (value !== false) element.setAttribute(name, value);
        }
        element.append(...children);
        return element;
    }

    /** An element of HTML: `make(place, 'p', { class: 'note' }, 'Hello')`. */
    function make(parent, tag, attributes = {}, ...children) {
        const element = document.createElement(tag);
        parent?.append(element);
        return fill(element, attributes, children);
    }

    /** The same for a drawing. */
    function draw(parent, tag, attributes = {}, ...children) {
        const element = document.createElementNS(SVG, tag);
        parent?.append(element);
        return fill(element, attributes, children);
    }

    /** A row of controls. */
    const row = (parent) => make(parent, 'div', { class: 'lab-row' });

    /** A button; `enable` says whether it does something. It keeps the focus,
     *  which one that is `disabled` loses. */
    function button(parent, text, work) {
        const element = make(parent, 'button', { type: 'button' }, text);
        element.onclick = () => {
            if (element.getAttribute('aria-disabled') !== 'true') work();
        };
        return element;
    }
    function enable(element, works) {
        element.setAttribute('aria-disabled', !works);
    }

    /** A slider with its name and its value; `show` writes the value. */
    function slider(parent, name, { min, max, step, value, show, onchange }) {
        const label = make(parent, 'label', { class: 'lab-slider' }, name);
        const input = make(label, 'input',
            { type: 'range', min, max, step, value });
        // Seen only: a screen reader is told it as the slider's value
        const output = make(label, 'output', { 'aria-hidden': 'true' });
        const text = show ?? String;
        const update = () => {
            output.value = text(Number(input.value));
            input.setAttribute('aria-valuetext', output.value);
        };
        update();
        input.oninput = () => {
            update();
            onchange?.(Number(input.value));
        };
        return {
            input,
            get value() { return Number(input.value); },
            set value(x) { input.value = x; update(); },
        };
    }

    /** A menu of values: `[['0', 'block 1'], …]`. */
    function menu(parent, name, options, onchange) {
        const label = make(parent, 'label', { class: 'lab-menu' }, name);
        const select = make(label, 'select');
        for (const [value, text] of options)
            make(select, 'option', { value }, text);
        select.onchange = () => onchange?.(select.value);
        return select;
    }

    function checkbox(parent, name, checked, onchange) {
        const label = make(parent, 'label', { class: 'lab-check' });
        const input = make(label, 'input', { type: 'checkbox', checked });
        label.append(name);
        input.onchange = () => onchange?.(input.checked);
        return input;
    }

    /** One of several, as radio buttons: arrow keys go from one to the next. */
    function radios(parent, name, options, chosen, onchange) {
        const group = make(parent, 'div', { class: 'lab-row lab-radios',
            role: 'radiogroup', 'aria-label': name });
        options.forEach((option, i) => {
            const label = make(group, 'label', { class: 'lab-check' });
            const input = make(label, 'input', { type: 'radio', name, value: i,
                checked: i === chosen });
            label.append(option);
            input.onchange = () => onchange(i);
        });
        return group;
    }

    /** A field for a line or, with `rows`, for a text. */
    function field(parent, name, { value = '', rows, hint = '', onchange }) {
        const label = make(parent, 'label', { class: 'lab-field' }, name);
        const input = make(label, rows ? 'textarea' : 'input',
            { spellcheck: 'false', autocomplete: 'off', placeholder: hint,
              rows: rows ?? false });
        input.value = value;
        input.oninput = () => onchange?.(input.value);
        return input;
    }

    /** Where a widget says how far it is, also to a screen reader. */
    const status = (parent) =>
        make(parent, 'p', { class: 'lab-status', role: 'status' });

    /** Where it says what is wrong; `say()` takes it back. */
    function trouble(parent) {
        const place = make(parent, 'p',
            { class: 'lab-trouble', role: 'alert' });
        const say = (error) => {
            place.textContent = error ? sentence(error.message ?? error) : '';
        };
        /** Does something that may fail, and says so. */
        const attempt = async (work) => {
            say();
            try {
                return await work();
            } catch (error) {
                say(error);
            }
        };
        return { say, attempt };
    }

    /** The crate's words as a sentence. */
    const sentence = (words) =>
        words.charAt(0).toUpperCase() + words.slice(1)
        + (/[.!?]$/.test(words) ? '' : '.');

    /** Does `work` soon after it was called, `wait` milliseconds after the last
     *  call, and never twice at a time. */
    function soon(work, wait = 0) {
        let timer, busy = false, again = false;
        async function turn() {
            if (busy) { again = true; return; }
            busy = true;
            try {
                await work();
            } finally {
                busy = false;
                if (again) { again = false; turn(); }
            }
        }
        return () => {
            clearTimeout(timer);
            timer = setTimeout(turn, wait);
        };
    }

    /** A character as it can be seen. */
    const visible = (c) =>
        ({ '\n': '↵', ' ': '␣', '\t': '→' })[c] ?? c;

    /** What a screen reader can say of it. */
    const spoken = (c) =>
        ({ '\n': 'line break', ' ': 'space', '\t': 'tab' })[c] ?? c;

    /** Gives the reader a file. */
    function download(name, bytes) {
        const address = URL.createObjectURL(new Blob([bytes]));
        make(null, 'a', { href: address, download: name }).click();
        setTimeout(() => URL.revokeObjectURL(address), 10_000);
    }

    return { RUNGS, make, draw, row, button, enable, slider, menu, radios,
             checkbox, field, status, trouble, soon, visible, spoken,
             download };
})());
