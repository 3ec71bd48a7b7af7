// The lab: three experiments with a run, in Training: how far to step, how many
// windows to look at before a step, and when to stop.
'use strict';

lab.widget('training', async (place) => {
    await lab.script('axes.js');
    const { make, draw, row, radios, button, enable, slider, menu, checkbox,
            field, status, trouble, canvas, write, axes, apart, BLUE,
            ORANGE } = lab;
    const RATES = [1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 1e6];
    // The page's runs, from book/records/training/sweep.txt
    const PAGE = [[1e-4, 2.95], [2e-4, 2.67], [5e-4, 2.43], [1e-3, 2.31],
        [2e-3, 2.19], [4e-3, 2.12], [8e-3, 2.09], [0.016, 2.13], [0.03, 2.62],
        [0.06, 2.83], [0.12, 2.95], [0.25, 3.10], [0.5, 3.12], [1, 3.12]];
    const SMALL = { n_layer: 1, n_embd: 16, block_size: 16 };
    const run = await lab.Run.start();
    const sonnets = await lab.sonnets();
    const short = sonnets.slice(0, 2000);

    /** The levels of a text, for as long as counting longer runs helps. */
    async function ladder(text) {
        const losses = [...await run.doubles('rungs', text)];
        return lab.RUNGS.slice(0, 5).map((name, i) => [name, losses[i]])
            .filter((_, i) => losses.slice(0, i).every((x) => x > losses[i]));
    }
    const levels = await ladder(sonnets);

    // What is on the page
    const titles = ['learning rate', 'batch size', 'overfitting'];
    radios(place, 'experiment', titles, 0, choose);
    const guess = make(place, 'p');
    const rows = titles.map(() => row(make(place, 'div')));
    const rateName = (i) => (i === 11 ? '1e6' : String(RATES[i]));
    const rate = slider(rows[0], 'learning rate', { min: 0, max: 11, step: 1,
        value: 3, show: rateName, onchange: changed });
    const clip = checkbox(rows[0], 'clip gradients to length 1', true, changed);
    const size = menu(rows[1], 'windows in a batch',
        ['1', '4', '16', '64'].map((n) => [n, n]), changed);
    const input = field(rows[2],
        'a short text (of a long one, the first 20,000 characters)',
        { rows: 4, value: short, onchange: changed });
    input.maxLength = 20_000;
    const buttons = row(place);
    const main = button(buttons, 'train', press);
    const again = button(buttons, 'start again', startAgain);
    Object.entries({ rate: rate.input, clip, batch: size, text: input,
        train: main, again }).forEach(([name, x]) => { x.name = name; });
    main.className = 'main';
    const { say, attempt } = trouble(place);
    const progress = make(place, 'p', { class: 'lab-status' }); // not spoken
    const said = status(place);
    said.style.whiteSpace = 'pre-line';

    const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
    const last = ({ validation }) => validation.at(-1)[1];
    const lowest = ({ validation }) =>
        validation.reduce((a, b) => (b[1] < a[1] ? b : a));

    const experiments = [{
        steps: 400, every: 20, levels, least: 1.9, runs: [],
        guess: 'Guess: at which rate is the loss lowest after 400 steps? And '
            + 'what becomes of a run at the last one, a million?',
        settings: () => ({ ...SMALL, max_lr: RATES[rate.value], text: sonnets,
            max_norm: clip.checked ? 1 : Infinity,
            name: rateName(rate.value) + (clip.checked ? '' : '*') }),
        say(runs) {
            const { name } = runs.at(-1), loss = last(runs.at(-1));
            const rung = levels.findLast(([, level]) => loss < level);
            return `Rate ${name.replace('*', ', not clipped')}: validation `
                + `loss ${loss.toFixed(2)}, ${rung ? 'below' : 'above'} `
                + `${(rung ?? levels[0])[0]}.`;
        },
    }, {
        steps: 300, every: 300, levels, least: 1.9, runs: [],
        noise: true, // is the subject, and validation is not drawn
        guess: 'The same model, the same rate, 300 steps. Guess: from how many '
            + 'windows is the line smooth, and whose gradients are longest?',
        settings: () => ({ ...SMALL, max_lr: 0.01, text: sonnets,
            batch_size: Number(size.value), name: size.value }),
        say: (runs) => 'In the last 100 steps:\n' + [...runs]
            .sort((a, b) => a.name - b.name).map(({ name, batch, norms }) => {
                const losses = batch.slice(-100).map(([, loss]) => loss);
                const loss = mean(losses);
                const spread = mean(losses.map((x) => (x - loss) ** 2)) ** 0.5;
                return `${name} in a batch: loss ${loss.toFixed(2)} ± `
                    + `${spread.toFixed(2)}, mean gradient length `
                    + mean(norms.slice(-100)).toFixed(2);
            }).join('\n'),
    }, {
        steps: 500, every: 10, levels: [...await ladder(short), ['certain', 0]],
        least: 0, runs: [],
        own: true, // a text and its ladder: earlier runs had others
        guess: 'The last tenth of this text is never trained on; the rest is, '
            + 'over and over. Guess: which loss turns upwards, and when?',
        settings: () => ({ ...SMALL, n_embd: 64, batch_size: 16, max_lr: 7e-3,
            text: input.value.slice(0, input.maxLength), name: '' }),
        say([now]) {
            const [step, loss] = lowest(now);
            return `Validation loss was lowest at step ${step}, `
                + `${loss.toFixed(2)}; at the end it is `
                + `${last(now).toFixed(2)}. ` + (last(now) > loss + 0.1
                    ? 'Since then the model has learned the text by heart.'
                    : 'It has not turned upwards yet.');
        },
    }];

    let now = experiments[0];
    let present; // the run that the worker has
    let busy = false;
    const calm = matchMedia('(prefers-reduced-motion: reduce)');

    function choose(i) {
        if (busy) run.pause();
        now = experiments[i];
        rows.forEach((x, j) => { x.parentElement.hidden = i !== j; });
        sweep.hidden = i > 0;
        guess.textContent = now.guess;
        say();
        tell('', '');
    }
    /** With other settings, no run goes on. */
    function changed() {
        if (present) present.changed = true;
        tell();
    }
    function startAgain() {
        if (busy) run.pause();
        now.runs = [];
        present = undefined;
        say();
        tell('', '');
    }
    const goesOn = () =>
        present?.of === now && !present.over && !present.changed;

    /** Says how far a run is, and draws it. */
    function tell(far = progress.textContent, how = said.textContent) {
        main.textContent = busy ? 'pause' : goesOn() ? 'go on' : 'train';
        place.dataset.state = busy ? 'busy' : goesOn() ? 'paused' : 'free';
        enable(again, now.runs.length > 0);
        progress.textContent = far;
        if (how !== said.textContent) said.textContent = how;
        chart.name(`Losses, step by step. ${far} ${how}`.trim());
        chart.repaint();
        bowl.repaint();
    }

    async function press() {
        if (busy) return run.pause();
        busy = true;
        await attempt(async () => {
            if (!goesOn()) await begin();
            if (present.of === now) await follow(present);
        });
        busy = false;
        tell();
    }

    async function begin() {
        const of = now, { name, text, ...settings } = of.settings();
        tell('', '');
        if (of.own) of.levels = [...await ladder(text), ['certain', 0]];
        present = undefined;
        await run.begin(text, { steps: of.steps, ...settings });
        present = { of, name, rate: settings.max_lr, batch: [], norms: [],
            validation: [] };
        of.runs = of.runs.filter((r) => r.name !== name).concat(present);
    }

    async function follow(mine) {
        const { of, batch, norms, validation } = mine;
        tell();
        function watch({ step, reports, validation: loss }) {
            for (let i = 0; i < reports.length; i += 3) {
                batch.push([batch.length + 1, reports[i]]);
                norms.push(reports[i + 1]);
            }
            if (loss !== undefined) validation.push([step, loss]);
            if (!now.runs.includes(mine) || batch.length === 0) return;
            if (calm.matches && loss === undefined) return;
            tell(`Step ${step} of ${of.steps}; batch loss `
                + `${batch.at(-1)[1].toFixed(2)}, gradient length `
                + `${norms.at(-1).toFixed(2)}; validation loss `
                + last(mine).toFixed(2));
        }
        let step; // stays undefined if the run breaks
        try {
            step = await run.train({ until: of.steps, every: of.every, watch });
        } finally {
            mine.over = !(step < of.steps);
            mine.broken = step === undefined;
        }
        const whole = now.runs.filter((r) => r.over && !r.broken);
        if (whole.at(-1) === mine) tell(undefined, of.say(whole));
    }

    // The drawings
    const FAINT = { 'stroke-opacity': 0.4 }, BATCH = { stroke: BLUE };
    const VALIDATION = { stroke: ORANGE, 'stroke-width': 2.5 };

    function paintChart(svg, width, height) {
        const { at, y, base, right, most, path, legend } = axes(svg, width,
            height, { ...now, along: (step) => step / now.steps });
        const points = (r) => (now.noise ? r.batch : r.validation);
        const runs = now.runs.filter((r) => points(r).length > 0);
        const newest = runs.at(-1);
        for (const r of runs.slice(0, -1)) path(points(r), FAINT);
        if (newest) path(newest.batch, BATCH);
        if (newest && !now.noise) path(newest.validation, VALIDATION);
        const ends = runs.map((r) => [r, mean(points(r)
            .slice(now.noise ? -50 : -1).map(([, loss]) => loss))]);
        ends.sort(([, a], [, b]) => b - a);
        const names = apart(ends.map(([, loss]) => y(loss)));
        ends.forEach(([r, loss], i) => write(svg, right + 5, names[i] + 4,
            r.name + (r.broken ? ' ×' : loss > most ? ' ↑' : ''),
            { size: 12, 'font-weight': r === newest ? 700 : 400 }));
        if (newest && now.own) {
            const [cx, cy] = at(lowest(newest));
            draw(svg, 'circle', { cx, cy, r: 6, fill: 'none',
                stroke: 'currentColor', 'stroke-width': 1.5 });
        }
        write(svg, right, base + 16, `step ${now.steps}`,
            { 'text-anchor': 'end' });
        legend([[4, 'batch loss', BATCH],
            now.noise || [106, 'validation loss', VALIDATION],
            now.own || [now.noise ? 106 : 238, 'earlier runs', FAINT]]
            .filter(Array.isArray));
    }

    /** The loss at the end, for each rate. */
    function paintBowl(svg, width, height) {
        const along = (rate) => Math.min(2 * Math.log10(rate) + 8, 12) / 12;
        const { at, base, path, legend } =
            axes(svg, width, height, { ...now, along });
        for (const name of ['1e-4', '1e-3', '0.01', '0.1', '1', '10', '1e6'])
            write(svg, at([Number(name), 0])[0], base + 16, name,
                { size: 12, 'text-anchor': 'middle' });
        const chosen = RATES[rate.value];
        path([[chosen, 0], [chosen, 9]], FAINT);
        path(PAGE, FAINT);
        for (const r of experiments[0].runs.filter((r) => r.over)) {
            const [cx, cy] = at([r.rate, r.broken ? 9 : last(r)]);
            if (r.broken) write(svg, cx, cy + 5, '×',
                { size: 18, 'text-anchor': 'middle' });
            else draw(svg, 'circle', { cx, cy, r: 4.5, stroke: ORANGE,
                fill: r.name.endsWith('*') ? 'none' : ORANGE });
        }
        legend([[4, 'your runs', { ...VALIDATION, 'stroke-width': 9 }],
            [106, 'the page’s, with a larger model', FAINT]]);
    }

    // Last, since they are drawn at once
    const chart = canvas(make(place, 'div'), 'Losses, step by step', 290,
        paintChart);
    const sweep = make(place, 'div');
    make(sweep, 'p', { class: 'lab-status' },
        'The losses after 400 steps, for each rate:');
    const bowl = canvas(make(sweep, 'div'),
        'Validation loss after 400 steps, for each rate', 210, paintBowl);
    choose(0);
});
