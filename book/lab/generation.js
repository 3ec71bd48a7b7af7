// The lab: what temperature, top-k and top-p do to the next character, in
// Generation.
'use strict';

lab.widget('generation', async (place) => {
    const { bars, button, enable, field, make, row, slider, soon, spoken,
            status, trouble } = lab;
    const SHOWN = 10; // bars
    const LONGEST = 10_000; // characters of a beginning
    const VISIBLE = 600; // characters of what is written
    const run = await lab.trained();
    const vocabulary = Array.from(await run.text('vocabulary'));
    const context = run.numbers.block_size;

    let beginning = 'Shall I compare th'; // the still figure's
    let pieces = []; // what was written after it; each can be taken back
    const text = () => beginning + pieces.join('');

    make(place, 'p', {}, 'Before you drag: when the temperature rises to 2, '
        + 'which bars grow and which shrink? Can one overtake another?');
    const columns = make(place, 'div', { class: 'lab-two' });
    const left = make(columns, 'div'), right = make(columns, 'div');

    const start = field(left, 'the text begins with', {
        rows: 2,
        value: beginning,
        onchange: (value) => {
            beginning = value;
            pieces = [];
            happened.textContent = '';
            update();
        },
    });
    start.name = 'text';
    const { attempt } = trouble(left);
    const page = make(left, 'pre', { class: 'lab-text', tabindex: 0,
        role: 'group', 'aria-label': 'the text so far',
        // Six lines; with a padding, half a line would show above them
        style: 'height: calc(9em + 2rem); overflow-y: auto; padding-block: 0; '
            + 'border-block: 1rem solid var(--faint); '
            + 'background-clip: padding-box' });
    const seen = make(left, 'p', { class: 'lab-status' });
    const actions = row(left);
    const draw = button(actions, 'draw one', () => inTurn(drawOne));
    const more = button(actions, 'write 100 more',
        () => inTurn(() => write(100, choice())));
    const greedy = button(actions, 'greedy: 200 more',
        () => inTurn(() => write(200, [0, 0, 1])));
    const back = button(actions, 'take back', () => inTurn(takeBack));
    draw.className = 'main';
    Object.entries({ draw, write: more, greedy, back })
        .forEach(([name, element]) => { element.name = name; });
    const happened = status(left);

    const all = vocabulary.length;
    /** A slider; those of a column are aligned. */
    function aligned(name, settings) {
        const made = slider(right, name,
            { ...settings, onchange: () => update() });
        made.input.name = name;
        made.input.parentElement.style = 'display: grid; '
            + 'grid-template-columns: 7em 1fr 3em; margin-block-end: 0.6rem';
        made.input.style = 'width: auto; max-width: none; min-width: 0';
        return made;
    }
    const temperature = aligned('temperature', { min: 0, max: 2, step: 0.1,
        value: 1, show: (x) => x.toFixed(1) });
    const topK = aligned('top-k', { min: 1, max: all, step: 1, value: all,
        show: (k) => (k === all ? 'all' : String(k)) });
    const topP = aligned('top-p', { min: 0.05, max: 1, step: 0.05, value: 1,
        show: (p) => (p === 1 ? 'all' : p.toFixed(2)) });
    /** What they say, as the crate wants it: a top-k of 0 keeps all. */
    const choice = () =>
        [temperature.value, topK.value === all ? 0 : topK.value, topP.value];
    const chart = make(right, 'div');
    const showBars = bars(chart, { most: 1, onpick: (c) => inTurn(async () => {
        await append(c);
        happened.textContent = `You chose ${spoken(c)}.`;
    }) });
    const rest = make(right, 'p', { class: 'lab-status' });

    // What was pressed is done in the order of pressing
    let last = Promise.resolve();
    function inTurn(work) {
        last = last.then(() => attempt(work));
    }

    /** The candidates, likeliest first: characters and their shares. */
    async function candidates(...how) {
        const pairs = await run.floats('candidates', text(), ...how);
        return Array.from({ length: pairs.length / 2 },
            (_, i) => [vocabulary[pairs[2 * i]], pairs[2 * i + 1]]);
    }

    /** Shows the text and what may follow it. */
    async function show() {
        showText();
        try {
            if (beginning.length > LONGEST) throw new Error(
                'that is a long text; give at most '
                + `${LONGEST.toLocaleString('en')} characters`);
            const how = choice();
            const kept = new Map(await candidates(...how));
            // What was cut had a share at the same temperature (0 has none)
            showShares(kept, await candidates(how[0] || 1, 0, 1));
            working(true);
        } catch (error) {
            showBars([]);
            rest.textContent = '';
            working(false);
            throw error;
        }
    }

    function working(works) {
        for (const element of [draw, more, greedy]) enable(element, works);
        enable(back, pieces.length > 0);
    }

    const percent = (share) =>
        `${(100 * share).toFixed(share < 0.9995 ? 1 : 0)} %`;
    const struck = (words) => make(null, 's', {}, words);

    function showShares(kept, uncut) {
        const shown = uncut.slice(0, SHOWN);
        showBars(shown.map(([name, share]) => {
            if (!kept.has(name)) return { name, value: share, faint: true,
                note: struck(percent(share)), more: ', cut' };
            const value = kept.get(name);
            return { name, value, note: percent(value) };
        }));
        const others = uncut.slice(SHOWN);
        const left = others.filter(([name]) => kept.has(name));
        const sum = (list, of) => percent(list.reduce((s, x) => s + of(x), 0));
        const cut = uncut.length - kept.size;
        rest.replaceChildren(`${all - shown.length} other characters: `,
            left.length > 0 ? sum(left, ([name]) => kept.get(name))
                : struck(sum(others, ([, share]) => share)),
            cut === 0 ? '. Nothing is cut. ' : `. ${cut} of ${all} are cut. `,
            'Press a character to choose it yourself.');
    }

    /** The text; what the model looks at is shaded. */
    function showText() {
        const characters = Array.from(text().slice(-2 * VISIBLE));
        const older = characters.slice(-VISIBLE, -context).join('');
        const dots = text().length > VISIBLE ? '…' : '';
        page.replaceChildren();
        make(page, 'span', { style: 'color: var(--muted)' }, dots + older);
        make(page, 'span', { style: 'background: color-mix(in srgb, '
            + 'var(--blue) 22%, transparent)' },
            characters.slice(-context).join(''));
        make(page, 'span', { 'aria-hidden': 'true' }, '▏');
        page.scrollTop = page.scrollHeight;
        seen.textContent = characters.length > context
            ? `Shaded: the last ${context} characters, which are all that the `
              + 'model looks at.'
            : 'The model looks at all of this. Of a longer text, it looks at '
              + `the last ${context} characters.`;
    }

    async function append(piece) {
        pieces.push(piece);
        await show();
    }

    async function takeBack() {
        pieces.pop();
        happened.textContent = '';
        await show();
    }

    /** The dice: pieces of a line of length one, and a number between. */
    async function drawOne() {
        const list = await candidates(...choice());
        let number = Math.random();
        const [c, share] = list.find(([, p]) => (number -= p) < 0) ?? list[0];
        await append(c);
        happened.textContent = `The dice took ${spoken(c)}, which had `
            + `${percent(share)}.`;
    }

    async function write(count, how) {
        const seed = Math.floor(Math.random() * 2 ** 31);
        await append(await run.text('generate', text(), count, ...how, seed));
        const found = loop(Array.from(text()));
        const dice = how[0] > 0 && how[1] !== 1;
        if (found) happened.textContent =
            `A loop: “${found.piece}”, ${found.times} times. `
            + (dice ? 'Only the dice can lead out of it.'
                : 'No dice are thrown, so nothing leads out of it.');
        else happened.textContent = dice ? `${count} characters written.`
            : `No loop yet after ${count} characters.`;
    }

    /** The shortest piece that the text, at its end, repeats and repeats. */
    function loop(characters) {
        const n = characters.length;
        for (let length = 1; length <= n / 3; length++) {
            let from = n - length;
            while (from > 0
                   && characters[from - 1] === characters[from - 1 + length])
                from--;
            if (n - from < Math.max(3 * length, 20)) continue;
            const gap = characters.slice(from, from + length)
                .findIndex((c) => /\s/.test(c));
            from += gap + 1; // a word begins it, if there is one
            const piece = characters.slice(from, from + length).join('');
            return { piece, times: Math.floor((n - from) / length) };
        }
    }

    const update = soon(() => attempt(show));
    await attempt(show);
});
