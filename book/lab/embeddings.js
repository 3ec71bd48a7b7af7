// The lab: the map of the characters, and what positions add, in chapter 3.
'use strict';

lab.widget('embeddings', async (place) => {
    const { bars, canvas, checkbox, draw, field, line, make, menu, row, soon,
            spoken, status, trouble, visible, write } = lab;
    const run = await lab.trained();
    const { n_embd, block_size } = run.numbers;
    const vocabulary = [...await run.text('vocabulary')];
    const tokens = { after: await table(run, 'token') };
    const positions = await table(run, 'position');
    run.close(); // that is all it is asked for
    // Vectors are arrays of numbers
    const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
    const length = (a) => Math.sqrt(dot(a, a));
    const cosine = (a, b) => dot(a, b) / (length(a) * length(b));
    const add = (a, b, factor) => a.map((x, i) => x + factor * b[i]);
    const distance = (a, b) => length(add(a, b, -1));
    const mix = (rows, weights) => rows.reduce(
        (sum, row, i) => add(sum, row, weights[i]), Array(n_embd).fill(0));
    const mean = (rows) => mix(rows, rows.map(() => 1 / rows.length));
    // A style, since the book's for a phone enlarges the text of figures
    const LETTER = { 'text-anchor': 'middle', style: 'font: 15px monospace' };
    map();
    bags();

    /** The rows of one of the two tables. */
    async function table(run, name) {
        const numbers = await run.floats('tensor', `embeddings.${name}`);
        return Array.from({ length: numbers.length / n_embd }, (_, i) =>
            [...numbers.subarray(i * n_embd, (i + 1) * n_embd)]);
    }

    /** The characters as points, and the nearest of one of them. */
    function map() {
        // Letters need more contrast than the colors have on white
        const ink = (color) => `color-mix(in srgb, ${color} 60%, currentColor)`;
        const kinds = [
            { name: 'vowels (ringed)', has: /[aeiou]/, color: ink(lab.ORANGE) },
            { name: 'consonants', has: /[a-z]/, color: ink(lab.BLUE) },
            { name: 'capitals', has: /[A-Z]/, color: ink(lab.GREEN) },
            { name: 'the rest', has: /[^]/, color: 'currentColor' },
        ];
        make(place, 'p', {}, make(null, 'strong', {}, 'Who is near whom? '),
            'Nobody told the model what a vowel is. Which characters do you '
            + 'expect next to an e, a T, a comma? Predict, then choose.');
        const controls = row(place);
        const character = menu(controls, 'character',
            vocabulary.map((c, id) => [id, spoken(c)]), choose);
        const when = menu(controls, 'table', [['after', 'after 2,000 steps'],
            ['before', 'before training']], () => attempt(take));
        character.name = 'character';
        when.name = 'table';
        const { attempt } = trouble(place);
        let rows = tokens.after;
        let view = principalComponents(rows);
        let chosen = vocabulary.indexOf('a');
        let nearest = [];
        const picture = canvas(place, 'the map of the characters',
            (width) => Math.round(width * (width < 500 ? 1.4 : 0.64)), paint);
        picture.svg.style.outline = '1px solid var(--rule)';
        const legend = row(place);
        for (const { name, color } of kinds)
            make(legend, 'span', { style: `color: ${color}` }, name);
        const two = make(place, 'div', { class: 'lab-two' });
        const said = status(two);
        const list = make(two, 'div');
        const drawBars = bars(list, { most: 1, describe: (x) => x.toFixed(2),
            onpick(name) {
                choose(vocabulary.indexOf(name));
                list.querySelector('button').focus(); // the old one is gone
            } });
        choose(chosen);

        /** Another table; the untrained one is made when it is asked for. */
        async function take() {
            if (!tokens[when.value]) {
                const fresh = await lab.Run.start();
                await fresh.begin(await lab.sonnets(), {});
                tokens.before = await table(fresh, 'token');
                fresh.close();
            }
            rows = tokens[when.value];
            view = principalComponents(rows);
            choose(chosen);
        }

        function choose(id) {
            chosen = Number(id);
            character.value = id;
            nearest = vocabulary.map((name, other) =>
                ({ name, other, value: cosine(rows[id], rows[other]) }));
            nearest.splice(id, 1); // itself
            nearest.sort((a, b) => b.value - a.value).splice(6);
            picture.repaint();
            drawBars(nearest);
            said.textContent = `Nearest to ${spoken(vocabulary[id])} by the `
                + `cosine, in all ${n_embd} dimensions; lines lead to them. `
                + `The map shows 2, with ${view.share} % of the spread: what `
                + 'is close on it may be far apart.';
        }

        function paint(svg, width, height) {
            // On a phone the first direction leads down: there is more room
            const [x, y] = width < height ? view.toReversed() : view;
            const scale = Math.min((width / 2 - 16) / Math.max(...x),
                (height / 2 - 16) / Math.max(...y));
            const at = vocabulary.map((_, id) =>
                [width / 2 + x[id] * scale, height / 2 - y[id] * scale]);
            for (const { other } of nearest)
                line(svg, ...at[chosen], ...at[other], { opacity: 0.4 });
            at.forEach(([cx, cy], id) => {
                const c = vocabulary[id];
                const { color } = kinds.find(({ has }) => has.test(c));
                if (kinds[0].has.test(c)) draw(svg, 'circle', { cx, cy, r: 9,
                    fill: 'none', stroke: color });
                if (id === chosen) draw(svg, 'rect', { x: cx - 11, y: cy - 11,
                    width: 22, height: 22, fill: 'none', 'stroke-width': 2,
                    stroke: 'currentColor' });
                write(svg, cx, cy + 5, visible(c), { ...LETTER, fill: color });
            });
            svg.onclick = (event) => {
                const { left, top } = svg.getBoundingClientRect();
                const far = at.map(([x, y]) => Math.hypot(
                    x + left - event.clientX, y + top - event.clientY));
                choose(far.indexOf(Math.min(...far)));
            };
        }
    }

    /** Two lines as bags of vectors, without positions and with. */
    function bags() {
        make(place, 'p', {}, make(null, 'strong', {}, 'One bag, or two? '),
            'What can tell the lines apart, if a vector says only what, and '
            + 'not where? Predict, then switch the positions off.');
        const two = make(place, 'div', { class: 'lab-two' });
        const inputs = [['first', 'cat sat'], ['second', 'sat cat']].map(
            ([name, value]) => Object.assign(field(two, `${name} line`,
                { value, onchange: soon(() => attempt(compare)) }), { name }));
        const on = checkbox(place, 'positions', true, () => picture.repaint());
        on.name = 'positions';
        const { attempt } = trouble(place);
        const shown = make(place, 'div');
        make(shown, 'p', {}, 'How far each vector is from the other line:');
        let lines, results;
        const picture = canvas(shown, 'a bar for each vector', 136, paint);
        const numbers = make(shown, 'table', { style: 'margin: 1rem 0' });
        const said = status(shown);
        attempt(compare);

        function compare() {
            shown.hidden = true;
            lines = inputs.map(read);
            results = [0, 1].map(measure);
            shown.hidden = false;
            picture.repaint();
            const rows = ['the farthest vector', 'the mean', 'a look back'].map(
                (name, i) => [`${name} moves by`,
                    ...results.map(({ moves }) => moves[i].toFixed(4))]);
            rows.unshift(['', 'without positions', 'with positions']);
            numbers.replaceChildren(...rows.map((cells, i) =>
                make(null, 'tr', {}, ...cells.map((x, j) =>
                    make(null, i && j || !x ? 'td' : 'th', {}, x)))));
            said.textContent = verdict(...lines);
        }

        /** The ids of a line, or what is wrong with it. */
        function read({ name, value }) {
            const characters = [...value.slice(0, 100)];
            const unknown = characters
                .flatMap((c, i) => vocabulary.includes(c) ? [] : `${c} at ${i}`)
                .join(', ');
            const wrong = !value ? 'is empty' : characters.length > block_size
                ? `is longer than the ${block_size} places of the model`
                : unknown && `has unknown characters: ${unknown}`;
            if (wrong) throw new Error(`the ${name} line ${wrong}`);
            return characters.map((c) => vocabulary.indexOf(c));
        }

        /** How the two lines differ, with no positions (0) or with them (1). */
        function measure(factor) {
            const [a, b] = lines.map((ids) => ids.map((id, n) =>
                add(tokens.after[id], positions[n], factor)));
            const nearest = (from, to) => from.map((x) =>
                Math.min(...to.map((y) => distance(x, y))));
            const far = [nearest(a, b), nearest(b, a)];
            return { far, moves: [Math.max(...far.flat()),
                ...[mean, lookBack].map((f) => distance(f(a), f(b)))] };
        }

        /** A mean in which rows count more if they are like the last one. */
        function lookBack(rows) {
            const weights = rows.map((row) =>
                Math.exp(Math.sqrt(n_embd) * cosine(row, rows.at(-1))));
            const sum = weights.reduce((sum, x) => sum + x, 0);
            return mix(rows, weights.map((x) => x / sum));
        }

        function verdict(a, b) {
            const bag = (ids) => String([...ids].sort());
            return String(a) === String(b) ? 'The lines are the same.'
                : bag(a) !== bag(b) ? 'The lines do not have the same '
                    + 'characters, so they differ without positions, too.'
                : 'One bag, in two orders. The mean never tells: each '
                    + 'character and each place counts once. A look back does: '
                    + 'the more like the last, the more a vector counts'
                    + (a.at(-1) === b.at(-1) ? '.' : '. Here even without '
                        + 'positions, since the lines end differently.');
        }

        function paint(svg, width) {
            if (!results) return;
            const { far } = results[Number(on.checked)];
            const most = results[1].moves[0] || 1;
            const longest = Math.max(...lines.map((ids) => ids.length));
            const cell = Math.min(44, width / longest);
            lines.forEach((ids, i) => ids.forEach((id, n) => {
                const high = 44 * far[i][n] / most;
                draw(svg, 'rect', { x: (n + 0.2) * cell, y: i ? 92 : 44 - high,
                    width: 0.6 * cell, height: high, fill: lab.BLUE });
                write(svg, (n + 0.5) * cell, i ? 84 : 62,
                    visible(vocabulary[id]), LETTER);
            }));
        }
    }

    /** Where rows lie along the two directions in which they differ most. */
    function principalComponents(rows) {
        const spread = (rows) => rows.reduce((sum, x) => sum + dot(x, x), 0);
        const center = mean(rows);
        let rest = rows.map((row) => add(row, center, -1));
        const all = spread(rest);
        const along = [1, 2].map(() => {
            // Power iteration: the rows pull the direction their way
            let direction = Array(n_embd).fill(1);
            for (let i = 0; i < 300; i++) {
                const pull = mix(rest, rest.map((row) => dot(row, direction)));
                direction = pull.map((x) => x / length(pull));
            }
            const places = rest.map((row) => dot(row, direction));
            rest = rest.map((row, i) => add(row, direction, -places[i]));
            const middle = (Math.min(...places) + Math.max(...places)) / 2;
            // An axis has no sign of its own: the first character goes right
            return places.map((x) => Math.sign(places[0]) * (x - middle));
        });
        const share = Math.round(100 * (1 - spread(rest) / all));
        return Object.assign(along, { share });
    }
});
