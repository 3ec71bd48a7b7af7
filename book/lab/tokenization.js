// The lab: a text as a strip of tokens, and byte-pair merges, in chapter 2.
'use strict';

lab.widget('tokenization', async (place) => {
    const { button, field, make, menu, soon, status, trouble, visible } = lab;
    const LONGEST = 100_000; // of a text, so that every answer comes at once
    const SHOWN = 100; // boxes of a strip
    const number = (n) => n.toLocaleString('en');
    const several = (n, thing) => `${number(n)} ${thing}${n === 1 ? '' : 's'}`;
    const distinct = (characters) => [...new Set(characters)].sort();
    const encoder = new TextEncoder();
    const sonnets = await lab.sonnets();
    const run = await lab.Run.start();
    encoding();
    merging();

    /** Characters to ids, and what a character may be. */
    function encoding() {
        const input = part('text', 'From text to ids. ', 'Which of the '
            + 'numbers below grow, and by how much, if you add an é, a 7 or '
            + 'a 🦀? Predict, then try.', 'Shall I compare thee', show);
        const segmenter = globalThis.Intl?.Segmenter
            && new Intl.Segmenter('en', { granularity: 'grapheme' });
        const views = make(place, 'div', { class: 'lab-row',
            role: 'radiogroup', 'aria-label': 'how many, and which to show' });
        const counts = {};
        for (const value of ['character', 'byte', 'grapheme']) {
            if (value === 'grapheme' && !segmenter) continue;
            const label = make(views, 'label', { class: 'lab-check' });
            make(label, 'input', { type: 'radio', name: 'unit', value,
                checked: value === 'character', onchange: show });
            counts[value] = make(label, 'span');
        }
        const draw = strip('the text and its ids');
        const said = status(place);
        const { attempt } = trouble(place);

        async function show() {
            const text = input.value;
            const answer = await attempt(() => run.call('encode',
                sonnets + text, encoder.encode(sonnets).length));
            if (!answer) return;
            const ids = [...new Int32Array(answer)];
            const characters = [...text];
            const graphemes = segmenter
                ? Array.from(segmenter.segment(text), (x) => x.segment) : [];
            const count = { character: characters.length,
                byte: encoder.encode(text).length, grapheme: graphemes.length };
            for (const unit in counts)
                counts[unit].textContent = several(count[unit], unit);
            const unit = views.querySelector(':checked').value;
            const pieces = unit === 'grapheme' ? graphemes : characters;
            const idOf = new Map(characters.map((c, i) => [c, ids[i]]));
            draw(pieces.slice(0, SHOWN).map((piece) => ({ text: face(piece),
                ids: unit === 'byte' ? [...encoder.encode(piece)]
                    : Array.from(piece, (c) => idOf.get(c)) })));
            const strangers = [...idOf.keys()].filter((c) => idOf.get(c) < 0);
            const back = strangers.length === 0 && await decode(ids);
            said.textContent = (!text ? 'No characters, no tokens.'
                : unit === 'byte'
                ? 'A byte is one of 256, so none is ever unknown.'
                : verdict(characters, strangers, back === text))
                + leftOut(input, pieces);
        }

        /** The ids as the crate reads them, two bytes each. */
        function decode(ids) {
            const known = encoder.encode(sonnets);
            const bytes = new Uint8Array(new Uint16Array(ids).buffer);
            return run.text('decode', new Uint8Array([...known, ...bytes]),
                known.length);
        }

        function verdict(characters, strangers, same) {
            if (same)
                return 'All are known. Read back, the ids give the same text.';
            const names = strangers.slice(0, 5).map((c) =>
                `${named(c)} at ${number(characters.indexOf(c))}`);
            const others = strangers.length - names.length;
            if (others) names.push(`and ${several(others, 'other')}`);
            return 'Unknown, since the sonnets have no such character: '
                + `${names.join(', ')}.`;
        }
        show();
    }

    /** Byte-pair encoding, merge by merge. */
    function merging() {
        const input = part('corpus', 'From characters to pieces of words. ',
            'Which two stand together most often? Decide, then press '
            + '“merge”.',
            'Oaths of thy love, thy truth, thy constancy;', begin);
        const controls = lab.row(place);
        const start = menu(controls, 'start from',
            [['characters', 'characters'], ['bytes', 'bytes']], begin);
        start.name = 'start';
        Object.assign(button(controls, 'merge', merge),
            { name: 'merge', className: 'main' });
        button(controls, 'start again', begin).name = 'again';
        button(controls, 'take the sonnets', () => {
            input.value = sonnets;
            begin();
        }).name = 'sonnets';
        const said = status(place);
        const draw = strip('the tokens');
        const drawAdded = strip('new tokens and their ids');

        let vocabulary; // what each token is made of: characters or bytes
        let single; // as many of its tokens are made of one
        let tokens; // the text, as ids

        function begin() {
            const text = input.value;
            const bytes = start.value === 'bytes';
            const units = bytes ? encoder.encode(text) : [...text];
            const known = bytes ? [...Array(256).keys()] : distinct(units);
            const ids = new Map(known.map((unit, id) => [unit, id]));
            vocabulary = known.map((unit) => [unit]);
            single = known.length;
            tokens = Array.from(units, (unit) => ids.get(unit));
            show(`${several(tokens.length, 'token')}, and a vocabulary of `
                + `${number(single)}.`);
        }

        function merge() {
            const { a, b, count } = mostFrequentPair(tokens);
            if (count < 2) return show('No pair occurs twice.');
            const id = vocabulary.length;
            const before = tokens.length;
            vocabulary.push([...vocabulary[a], ...vocabulary[b]]);
            tokens = join(tokens, a, b, id);
            show(`${spell(a)} and ${spell(b)} stood together ${number(count)} `
                + `times; joined, they are token ${id}. Tokens: `
                + `${number(before)}\u00a0→\u00a0${number(tokens.length)}. `
                + `Vocabulary: ${id}\u00a0→\u00a0${id + 1}.`, id);
        }

        function show(what, latest) {
            const box = (id) => ({ text: spell(id), latest: id === latest });
            const added = [...vocabulary.keys()].slice(single).slice(-SHOWN);
            draw(tokens.slice(0, SHOWN).map(box));
            drawAdded(added.map((id) => ({ ...box(id), ids: [id] })));
            said.textContent = what + leftOut(input, tokens);
        }

        function spell(id) {
            const units = vocabulary[id];
            if (start.value === 'characters') return face(units.join(''));
            try { // bytes that are a text, or only a part of a character
                const decoder = new TextDecoder('utf-8', { fatal: true });
                return face(decoder.decode(new Uint8Array(units)));
            } catch {
                return face(units.join(','));
            }
        }
        begin();
    }

    /** The pair of neighbors that occurs most often; of equals, the first. */
    function mostFrequentPair(tokens) {
        const counts = new Map(); // in the order in which pairs came
        let last;
        for (let i = 1; i < tokens.length; i++) {
            let pair = `${tokens[i - 1]} ${tokens[i]}`;
            // The two pairs in `aaa` overlap: only one of them can be joined
            if (pair === last) pair = undefined;
            else counts.set(pair, (counts.get(pair) ?? 0) + 1);
            last = pair;
        }
        let [best, most] = ['', 0];
        for (const [pair, count] of counts)
            if (count > most) [best, most] = [pair, count];
        const [a, b] = best.split(' ').map(Number);
        return { a, b, count: most };
    }

    /** The tokens, with each `a` before a `b` joined to one. */
    function join(tokens, a, b, joined) {
        const result = [];
        for (let i = 0; i < tokens.length; i++) {
            const both = tokens[i] === a && tokens[i + 1] === b;
            result.push(both ? joined : tokens[i]);
            if (both) i += 1; // the b is used
        }
        return result;
    }

    /** A question to the reader, and a field for a text. */
    function part(name, title, question, value, show) {
        make(place, 'p', {}, make(null, 'strong', {}, title), question);
        const later = soon(show);
        const input = field(place, `your ${name}`, { value, rows: 2 });
        input.oninput = () => {
            input.value = input.value.slice(0, LONGEST);
            later();
        };
        return Object.assign(input, { name, maxLength: LONGEST });
    }

    /** A row of boxes: what is read and, below, its ids. */
    function strip(name) {
        const list = make(place, 'ol',
            { class: 'lab-strip', role: 'list', 'aria-label': name });
        return (boxes) => {
            list.hidden = boxes.length === 0; // a list has something in it
            list.replaceChildren(...boxes.map(item));
        };
        function item(box) {
            const item = make(null, 'li', { class: box.latest ? 'new' : '' });
            make(item, 'span', { class: 'top' }, box.text);
            if (!box.ids) return item;
            const below = make(item, 'span', { class: 'below' });
            for (const id of box.ids.slice(0, 12))
                if (id < 0) make(below, 'span', { class: 'unknown' }, '?');
                else make(below, 'span', {}, id);
            if (box.ids.length > 12) below.append('…');
            return item;
        }
    }

    /** What of a field is not read, and what of it is not drawn. */
    function leftOut({ value }, boxes) {
        return (boxes.length > SHOWN ? ` The first ${SHOWN} are drawn.` : '')
            + (value.length < LONGEST ? '' : ' A longer text is cut off.');
    }

    /** A character with its code, by which one knows those that look alike. */
    function named(c) {
        const digits = c.codePointAt(0).toString(16).toUpperCase();
        const code = `U+${digits.padStart(4, '0')}`;
        return /[\p{M}\p{C}\p{Z}]/u.test(c) ? code : `${c} (${code})`;
    }

    /** A piece of text as it can be seen. */
    function face(text) {
        const characters = [...text].slice(0, 24).map(visible);
        if (text === characters[0] && /[\p{C}\p{Z}]/u.test(text))
            return named(text);
        const cut = characters.join('').length < text.length ? '…' : '';
        const circle = /^\p{M}/u.test(text) ? '◌' : ''; // for an accent
        return circle + characters.join('') + cut;
    }
});
