// The lab: LayerNorm of four numbers, forward and back, in "The transformer
// block: norm, feed-forward, residuals".
'use strict';

lab.widget('layer_norm', async (place) => {
    const { make, row, slider, button, status, trouble, soon } = lab;
    const { canvas, line, write, draw, BLUE, ORANGE } = lab;
    const REACH = 4; // of the row's sliders
    const SPIKE = [1, 0, 0, 0];
    const PARTS = ['all four outputs', 'the row x̂ itself',
        'the first output', 'the second output'];
    const run = await lab.Run.start();

    let x = [...SPIKE], x_hat = SPIKE, dy = SPIKE, dx = SPIKE;
    let done; // what a button has just done, until there is an answer

    make(place, 'p', {}, 'Guess first: what will the normalized row do if you'
        + ' add 1 to all four numbers? If you double them?');
    const numbers = sliders('x', ['first', 'second', 'third', 'fourth'],
        '6rem', REACH, SPIKE, (i, value) => { x[i] = value; });
    const buttons = row(place);
    press('add', 'add 1 to all', 'Added 1 to all', (value) => value + 1);
    press('double', 'double all', 'Doubled all', (value) => 2 * value);
    press('equal', 'make all equal', 'Made all equal', () => mean(x));
    button(buttons, 'start again', () => {
        set(SPIKE);
        parts.forEach((part, i) => { part.value = Number(i === 3); });
    }).name = 'again';
    const said = status(place);
    const { say, attempt } = trouble(place);
    const forward = canvas(make(place, 'div'), '', 214, (svg, width) => {
        panel(svg, 0, width, 'the row x', x, REACH, spreads(x));
        panel(svg, 1, width, 'normalized, x̂', x_hat, 2, spreads(x_hat));
        arrow(svg, width, '→');
    });
    make(place, 'p', { class: 'lab-status' }, 'Dashed: the mean. Shaded: one'
        + ' standard deviation σ to either side.');

    make(place, 'p', {}, 'And back: dy says which outputs raise the loss.'
        + ' Mix it from these four. How much of each reaches the row?');
    const parts = sliders('part', PARTS, '15rem', 1, [0, 0, 0, 1]);
    const back = canvas(make(place, 'div'), '', 190, (svg, width) => {
        panel(svg, 0, width, 'what reaches x: dx', dx, 2);
        panel(svg, 1, width, 'what raises the loss: dy', dy, 2);
        arrow(svg, width, '←');
    });
    const heard = status(place);
    const answer = soon(() => attempt(ask), 0);
    await ask();

    /** Four sliders of one kind, below each other on a phone. */
    function sliders(kind, names, room, reach, values, onchange) {
        const grid = make(place, 'div');
        grid.style.cssText = 'display: grid; gap: 0.6rem 2.4rem;'
            + ' margin-block: 1rem; grid-template-columns:'
            + ' repeat(auto-fit, minmax(min(100%, 28rem), 1fr))';
        return names.map((name, i) => {
            const one = slider(grid, name, {
                min: -reach, max: reach, step: 0.1, value: values[i],
                show: (value) => number(value, 1),
                onchange: (value) => {
                    onchange?.(i, value);
                    answer();
                },
            });
            one.input.name = `${kind}${i + 1}`;
            one.input.style.cssText =
                'width: 100%; min-width: 0; max-width: none';
            one.input.nextSibling.style.textAlign = 'end';
            one.input.parentNode.style.cssText = 'display: grid; gap: 1rem;'
                + ` grid-template-columns: ${room} 1fr 5ch`;
            return one;
        });
    }

    /** A button that changes the whole row, if the sliders go so far. */
    function press(name, text, past, change) {
        button(buttons, text, () => {
            const changed = x.map(change);
            if (changed.some((value) => Math.abs(value) > REACH)) {
                say(`the sliders end at ${REACH}; make the row smaller first`);
                return;
            }
            done = { past, before: x_hat };
            set(changed);
        }).name = name;
    }

    function set(values) {
        x = values.map((value) => Math.round(value * 10) / 10);
        numbers.forEach((one, i) => { one.value = x[i]; });
        answer();
    }

    /** Has the crate compute: the normalized row, since one part of dy is it,
     *  then what becomes of dy. */
    async function ask() {
        const norm = async (dy) => {
            const bytes = new Float32Array([...x, ...dy]).buffer;
            return run.floats('layer_norm', new Uint8Array(bytes));
        };
        const y = (await norm([0, 0, 0, 0])).slice(0, 4);
        const [all, louder, first, second] = parts.map((part) => part.value);
        const sum = [...y].map((y_j, j) => all + louder * y_j
            + (j === 0 ? first : 0) + (j === 1 ? second : 0));
        const both = await norm(sum);
        [x_hat, dy, dx] = [[...y], sum, [...both.slice(4)]];
        show();
    }

    function show() {
        const told = (values) => values.map((z) => number(z)).join(', ');
        forward.name(`The row ${told(x)}: ${spreads(x)}. Normalized:`
            + ` ${told(x_hat)}.`);
        back.name(`The gradient of the outputs: ${told(dy)}. Of the row:`
            + ` ${told(dx)}.`);
        forward.repaint();
        back.repaint();
        said.textContent = forth();
        heard.textContent = outcome();
        done = undefined;
    }

    function forth() {
        if (spread(x) < 1e-6) return 'All four are equal and σ is 0:'
            + ' only ε, under the root, keeps us from dividing by it.';
        if (!done) return 'Each number, less the mean, divided by σ.';
        const change = largest(x_hat.map((y, j) => y - done.before[j]));
        return `${done.past}: the largest change in the normalized row is`
            + ` ${change.toFixed(5)}.`;
    }

    function outcome() {
        if (largest(dy) < 1e-3) return 'dy is zero, and so is dx.';
        if (largest(dx) < 1e-3) return 'Nothing gets through: outputs cannot'
            + ' move in this direction, whatever the row does.';
        if (spread(x) < 1e-6) return 'What gets through is divided by √ε'
            + ' instead of σ, and so becomes 316 times as large.';
        const along = mean(dx.map((dx_j, j) => dx_j * x_hat[j]));
        return `What gets through: its mean is ${number(mean(dx))}, and there`
            + ` is ${number(along)} of x̂ in it.`;
    }

    function arrow(svg, width, sign) {
        write(svg, width / 2, 101, sign, { size: 22, 'text-anchor': 'middle' });
    }

    /** Four bars, at the left (0) or at the right (1) of a drawing. */
    function panel(svg, side, width, title, values, reach, below) {
        const room = (width - 36) / 2;
        const left = side * (width - room);
        const each = room / 4;
        const zero = 94;
        const scale = 70 / Math.max(reach, largest(values));
        const center = left + room / 2;
        write(svg, center, 14, title, { 'text-anchor': 'middle' });
        if (below) {
            const [m, s] = [mean(values), spread(values)];
            draw(svg, 'rect', { x: left, width: room, y: zero - (m + s) * scale,
                height: 2 * s * scale, 'fill-opacity': 0.1 });
            line(svg, left, zero - m * scale, left + room, zero - m * scale,
                { 'stroke-dasharray': '5 4' });
            write(svg, center, 206, below, { 'text-anchor': 'middle' });
        }
        values.forEach((value, j) => {
            const height = Math.abs(value) * scale;
            draw(svg, 'rect', { x: left + (j + 0.2) * each, width: 0.6 * each,
                y: value < 0 ? zero : zero - height, height,
                fill: value < 0 ? ORANGE : BLUE });
            write(svg, left + (j + 0.5) * each, 183, number(value),
                { size: each < 45 ? 11 : 13, 'text-anchor': 'middle' });
        });
        line(svg, left, zero, left + room, zero);
    }

    function mean(values) {
        return values.reduce((sum, value) => sum + value, 0) / values.length;
    }
    function spread(values) {
        const m = mean(values);
        return Math.sqrt(mean(values.map((value) => (value - m) ** 2)));
    }
    function spreads(values) {
        return `mean ${number(mean(values))}, σ ${number(spread(values))}`;
    }
    function largest(values) {
        return Math.max(...values.map(Math.abs));
    }
    /** With a real minus sign, and none before zero. */
    function number(value, digits = 2) {
        const short = value.toFixed(Math.abs(value) < 100 ? digits : 0);
        return Number(short) === 0 ? short.replace('-', '')
            : short.replace('-', '−');
    }
});
