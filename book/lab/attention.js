// The lab: one head's scores on their way to weights, in "The transformer
// block: attention".
'use strict';

lab.widget('attention', async (place) => {
    const { make, row, radios, field, trouble, soon, heatMap, bars, visible }
        = lab;
    const FEW = 6; // keys of a row that are named
    const run = await lab.trained();
    const { n_layer, n_head, n_embd, block_size } = run.numbers;
    const root = Math.sqrt(n_embd / n_head);

    // What each makes of a score; the last shows the crate's own answer.
    const stages = [
        { name: 'scores', of: (score) => score,
          about: 'Scores: the dot product q·k of each query (row) and each'
              + ' key (column). Blue is above zero, orange below.',
          row: (who) => `With ${who} as the query, these keys agree best:` },
        { name: 'scaled', of: (score) => score / root,
          about: `Scaled: divided by √${root * root} = ${root}. The scale of`
              + ' shades and bars stays, so all are paler and shorter.',
          row: (who) => `The scores of ${who}, divided by ${root}:` },
        { name: 'masked',
          of: (score, i, j) => (j > i ? undefined : score / root),
          about: 'Masked: the future, striped, takes no part in what'
              + ' follows.',
          row: (who) => `What is left to ${who}:` },
        { name: 'softmax',
          about: 'Softmax: weights. None is below zero, and every row sums to'
              + ' one.',
          row: (who) => `From ${who}, this head looks at:` },
    ];
    const counted = (what, n) =>
        Array.from({ length: n }, (_, i) => `${what} ${i}`);

    let [block, head, stage] = [0, 0, 3];
    let seen = ''; // the text that the picture shows, and what belongs to it
    let labels, scores, weights, largest, map;

    const askSoon = soon(() => attempt(ask), 30);
    const line = field(place, 'a line of your own',
        { value: 'Shall I compare thee', onchange: askSoon });
    line.name = 'line';
    const { attempt } = trouble(place);
    const note = make(place, 'p', { role: 'status', class: 'lab-status' });
    make(place, 'p', {}, 'Guess where the last character of your line looks, in'
        + ' each head. Then step through the stages that lead there.');
    const where = row(place);
    radios(where, 'block', counted('block', n_layer), block,
        (i) => { block = i; askSoon(); });
    radios(where, 'head', counted('head', n_head), head,
        (i) => { head = i; askSoon(); });
    radios(place, 'stage', stages.map(({ name }) => name), stage, (i) => {
        stage = i;
        about.textContent = stages[stage].about;
        map.update(cells());
    });
    const two = make(place, 'div', { class: 'lab-two' });
    two.style.marginBlockStart = '1rem';
    const left = make(two, 'div');
    const right = make(two, 'div');
    const about = make(right, 'p', {}, stages[stage].about);
    const told = make(right, 'div', { role: 'status' });
    await ask();

    /** Looks at the reader's line or, if that cannot be, at the last one. */
    async function ask() {
        const all = line.value;
        // A character has one or two units; of 5 MB only the end is read
        const end = [...all.slice(-2 * block_size - 1)].slice(-block_size);
        const short = end.join('') === all;
        note.textContent = short
            ? `The model sees ${block_size} characters at most`
            : `The model sees the last ${block_size} of your characters`;
        note.textContent += `, at places 0 to ${block_size - 1}.`;
        try {
            await look(end.join(''));
        } catch (error) {
            if (!seen) throw error;
            await look(seen);
            note.textContent += ` Below is still “${seen}”.`;
            throw error;
        }
    }

    async function look(text) {
        const numbers = await run.floats('attention', text, block, head);
        labels = [...text];
        const n = labels.length;
        const matrix = (from) => labels.map((_, i) =>
            [...numbers.subarray(from + i * n, from + (i + 1) * n)]);
        [scores, weights] = [matrix(0), matrix(n * n)];
        largest = Math.max(...scores.flat().map(Math.abs)) || 1;
        if (text === seen) return map.update(cells());
        left.replaceChildren();
        const size = Math.min(400, 18 + 30 * n); // a short line, no giant cells
        map = heatMap(make(left, 'div'),
            'Scores or weights: a row for each query, a column for each key',
            { labels, size, onrow: tell, ...cells() });
        seen = text;
    }

    function cells() {
        const softmax = stage === 3;
        const values = softmax ? weights : scores.map((row, i) =>
            row.map((score, j) => stages[stage].of(score, i, j)));
        // The root: a quarter of a score can still be seen
        const pale = (x) => Math.sign(x) * Math.sqrt(Math.abs(x) / largest);
        return { values, shade: (x) => (softmax ? x : x && pale(x)) };
    }

    /** What the head does at one row, as words and bars. */
    function tell(i) {
        const softmax = stage === 3;
        const name = (j) => `${visible(labels[j])} ${j}`;
        const items = cells().values[i]
            .map((value, j) => ({ name: name(j), value }))
            .slice(0, stage < 2 ? undefined : i + 1) // the mask's doing
            .sort((a, b) => b.value - a.value);
        const others = items.splice(FEW);
        if (softmax && others.length) items.push({
            name: `${others.length} more`,
            value: others.reduce((sum, { value }) => sum + value, 0),
        });
        told.replaceChildren();
        const who = `“${visible(labels[i])}” at place ${i}`;
        make(told, 'p', {}, stages[stage].row(who));
        const sign = (x) => (x < 0 ? '−' : softmax ? '' : '+');
        bars(told, {
            most: softmax ? 1 : largest,
            describe: (x) => sign(x) + Math.abs(x).toFixed(2),
        })(items);
        if (softmax) make(told, 'p', { class: 'lab-status' },
            'Softmax of the masked row, computed once more by this page: the'
            + ` largest difference is ${difference(i).toFixed(8)}.`);
    }

    /** Between the crate's weights and the softmax of what the mask leaves. */
    function difference(i) {
        const left = scores[i].slice(0, i + 1).map((x) => x / root);
        const most = Math.max(...left);
        const powers = left.map((x) => Math.exp(x - most));
        const sum = powers.reduce((a, b) => a + b);
        return Math.max(...weights[i].map((weight, j) =>
            Math.abs(weight - (powers[j] ?? 0) / sum)));
    }
});
