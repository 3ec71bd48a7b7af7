// The lab: a model that learns a text while one looks on.
'use strict';

/** Buttons, a curve and a sample for one run. `begin(run)` gives it its text
 *  and sizes, and returns `{ text, settings, steps, prompt }`; `say` shows what
 *  goes wrong; `onmodel()` is told when there is a model that can be asked. */
lab.learner = (parent, { begin, say, onmodel, name = 'model' }) => {
    const { RUNGS, make, row, button, enable, status, curve, BLUE, ORANGE }
        = lab;
    const TEMPERATURE = 0.6; // chapter 1's

    const buttons = row(parent);
    const main = button(buttons, 'Train', press);
    main.className = 'main';
    main.name = 'train';
    const again = button(buttons, 'Start again', startAgain);
    const save = button(buttons, 'Save the model', keep);
    const line = make(parent, 'p', { class: 'lab-status' }); // not spoken
    const said = status(parent); // spoken, once for each evaluation
    const picture = make(parent, 'div');
    const sample = make(parent, 'pre', { class: 'lab-text', hidden: '' });

    let run, about, chart; // of the present run
    let state = 'new'; // then 'starting', 'busy', 'paused' or 'finished'
    let step = 0, taken = 0, seconds = 0, since = 0, lastSample = 0;
    let training, validation;
    let levels = [];

    function show(next) {
        state = next;
        main.textContent = { busy: 'Pause', paused: 'Go on' }[state] ?? 'Train';
        enable(main, state !== 'starting' && state !== 'finished');
        enable(again, state !== 'new' && state !== 'starting');
        enable(save, state === 'paused' || state === 'finished');
        parent.dataset.state = state;
    }

    function tell() {
        const parts = [
            `Step ${number(step)} of ${number(about.steps)}`,
            seconds > 0 && `${perSecond()} a second`,
            training && `training loss ${training.toFixed(2)}`,
        ];
        line.textContent = `${parts.filter(Boolean).join('; ')}.`;
        Object.assign(parent.dataset, { step, speed: perSecond() });
    }
    function tellLoss() {
        const below = levels.findLast(([, loss]) => validation < loss);
        said.textContent = `After ${number(step)} steps the validation loss is `
            + `${validation.toFixed(3)}${below ? `, below ${below[0]}` : ''}.`;
        chart.name(`The loss of the run, step by step. ${said.textContent}`);
        parent.dataset.validation = validation;
    }
    const number = (n) => n.toLocaleString('en');
    const perSecond = () => (taken / seconds).toPrecision(3);

    /** A slice of the run: up to some forty milliseconds of steps. */
    function watch({ step: now, reports, validation: scored }) {
        for (let i = 0; i < reports.length; i += 3)
            chart.add(0, now - reports.length / 3 + i / 3, reports[i]);
        taken += reports.length / 3;
        seconds += (performance.now() - since) / 1000;
        since = performance.now();
        step = now;
        if (reports.length) training = recent(reports);
        if (scored !== undefined) {
            validation = scored;
            chart.add(1, now, scored);
            tellLoss();
        }
        tell();
        if (since - lastSample > 700) {
            lastSample = since;
            write();
        }
    }
    /** A mean that forgets: batches differ. */
    function recent(reports) {
        let mean = training ?? reports[0];
        for (let i = 0; i < reports.length; i += 3)
            mean += 0.05 * (reports[i] - mean);
        return mean;
    }

    async function write() {
        if (!run?.numbers) return;
        try {
            sample.textContent = await run.text('generate', about.prompt, 200,
                TEMPERATURE, 0, 1, -1);
            sample.hidden = false;
        } catch { /* the run has ended, and its last sample stays */ }
    }

    function press() {
        if (state === 'busy') return run.pause();
        return say.attempt(async () => {
            const fresh = state === 'new';
            show(fresh ? 'starting' : 'busy');
            try {
                if (fresh) await start();
                show('busy');
                since = performance.now();
                const done = run.train({
                    until: about.steps, watch,
                    every: about.settings.eval_interval / 2,
                });
                if (fresh) addLevels();
                onmodel?.(); // it can be asked already
                await done;
                await write();
                show(step >= about.steps ? 'finished' : 'paused');
            } catch (error) {
                show(run?.numbers ? 'finished' : 'new');
                throw error;
            }
        });
    }

    async function start() {
        run ??= await lab.Run.start();
        about = await begin(run);
        prepare();
    }

    function prepare() {
        ({ step } = run.numbers);
        [seconds, taken, lastSample] = [0, 0, performance.now() - 500];
        training = validation = undefined;
        levels = [];
        picture.replaceChildren();
        picture.hidden = false;
        chart = curve(picture, 'The loss of the run, step by step', {
            steps: about.steps,
            lines: [{ name: 'training', color: BLUE, width: 1 },
                    { name: 'validation', color: ORANGE }],
        });
    }

    async function addLevels() {
        try {
            const losses = await run.doubles('rungs', about.text);
            levels = [...losses].map((loss, i) => [RUNGS[i], loss])
                .sort((a, b) => b[1] - a[1]);
            chart.levels(levels);
        } catch { /* a text too short to count has no levels */ }
    }

    async function startAgain() {
        if (state === 'busy') await run.pause();
        run?.close();
        run = undefined;
        show('new');
        line.textContent = said.textContent = '';
        sample.hidden = true;
        picture.replaceChildren();
    }

    function keep() {
        return say.attempt(async () => {
            const file = await run.call('save');
            lab.download(`${name}.safetensors`, file);
        });
    }

    /** Goes on with a run that was opened. Without its text it cannot learn. */
    async function adopt(opened, more) {
        await startAgain();
        run = opened;
        about = { ...more, steps: run.numbers.steps };
        prepare();
        tell();
        await write();
        const goesOn = about.text && step < about.steps;
        picture.hidden = !goesOn; // there is nothing to draw
        show(goesOn ? 'paused' : 'finished');
        onmodel?.();
    }

    show('new');
    return { adopt, startAgain, get run() { return run; } };
};
