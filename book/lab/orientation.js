// The lab: your own text, what counting makes of it, and a model that learns it
// (chapter 1).
'use strict';

lab.widget('orientation', async (place) => {
    const { RUNGS, make, row, slider, field, status, trouble, soon, bars }
        = lab;
    await lab.script('learn.js');
    const counter = await lab.Run.start(); // counts, while the other learns
    const sonnets = await lab.sonnets();

    const input = field(place, 'your text',
        { rows: 5, hint: 'Shakespeare’s sonnets, until you paste one',
          onchange: soon(look, 400) });
    const facts = status(place);
    const said = trouble(place);
    const text = () => input.value || sonnets;

    make(place, 'p', { class: 'lab-title' }, 'What counting makes of it');
    const rungs = bars(place, { describe: (x) => x.toFixed(3) });
    const controls = row(place);
    const order = slider(controls, 'each character in view of',
        { min: 0, max: 7, step: 1, value: 2, onchange: soon(write),
          show: (n) => (n === 1 ? '1 before it' : `${n} before it`) });
    const counted = make(place, 'pre', { class: 'lab-text' });

    make(place, 'p', { class: 'lab-title' }, 'And what a GPT makes of it');
    const learning = make(place, 'div', { 'data-part': 'learner' });
    const learnerSaid = trouble(place);
    const learner = lab.learner(learning, {
        say: learnerSaid,
        async begin(run) {
            const chosen = text();
            const settings = lab.CHAPTER_1;
            await run.begin(chosen, settings);
            return { text: chosen, settings, steps: settings.steps,
                     prompt: chosen.includes('\n') ? '\n' : [...chosen][0] };
        },
    });

    /** Its vocabulary, its ladder, and a text from its counts. */
    async function look() {
        await learner.startAgain();
        const all = [...text()];
        const kinds = [...new Set(all)].sort();
        const some = kinds.slice(0, 80).map(lab.visible).join(' ');
        facts.textContent =
            `${all.length.toLocaleString('en')} characters, `
            + `${kinds.length.toLocaleString('en')} different: ${some}`
            + (kinds.length > 80 ? ' …' : '');
        await said.attempt(async () => {
            rungs([]);
            const losses = await counter.doubles('rungs', text());
            rungs([...losses].map((value, i) => ({ name: RUNGS[i], value })));
        });
        await write();
    }

    async function write() {
        try {
            counted.textContent = await counter.text('write_from_counts',
                text(), order.value + 1, 200, 1);
        } catch (error) {
            counted.textContent = '';
            said.say(error);
        }
    }

    await look();
});
