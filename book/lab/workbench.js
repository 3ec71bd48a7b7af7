// The lab's own page: a text, a size, a model that learns it, and what it
// writes. Also a model from a file, and one that has learned already.
'use strict';

lab.widget('workbench', async (place) => {
    const { make, row, button, enable, slider, menu, field, status, trouble }
        = lab;
    await lab.script('learn.js');
    const sonnets = await lab.sonnets();

    /** The settings of chapter 1 and of the program's presets. */
    const SIZES = {
        tiny: { ...lab.CHAPTER_1 },
        quick: { n_layer: 2, n_head: 2, n_embd: 64, block_size: 32,
                 batch_size: 16, steps: 400, max_lr: 4e-3, max_norm: 1,
                 average: 0.1, eval_interval: 100, seed: 1337,
                 seed_of_batches: 1337 },
        standard: { n_layer: 4, n_head: 4, n_embd: 128, block_size: 64,
                    batch_size: 16, steps: 1500, max_lr: 3e-3, max_norm: 1,
                    average: 0.1, eval_interval: 150, seed: 1337,
                    seed_of_batches: 1337 },
    };

    const input = field(place, 'your text',
        { rows: 5, hint: 'Shakespeare’s sonnets, until you paste one' });
    input.name = 'text';
    const text = () => input.value || sonnets;

    const controls = row(place);
    const size = menu(controls, 'size', [
        ['tiny', 'chapter 1: 2 blocks, width 32'],
        ['quick', 'quick: 2 blocks, width 64'],
        ['standard', 'standard: 4 blocks, width 128'],
    ], () => learner.startAgain());
    size.name = 'size';
    const ready = button(controls, 'Take the trained one', takeTrained);
    ready.name = 'trained';
    const file = make(null, 'input', { type: 'file', name: 'file', hidden: '',
        accept: '.safetensors' });
    button(controls, 'Open a file', () => file.click()).after(file);
    file.onchange = () => openFile(file.files[0]);

    const said = trouble(place);
    const learner = lab.learner(make(place, 'div'), { begin, say: said,
        onmodel: () => enable(write, true) });

    async function begin(run) {
        const [chosen, settings] = [text(), SIZES[size.value]];
        await run.begin(chosen, settings);
        return { text: chosen, settings, steps: settings.steps,
                 prompt: chosen.includes('\n') ? '\n' : [...chosen][0] };
    }

    /** A model of the sonnets that has learned what chapter 1's learns. */
    function takeTrained() {
        return said.attempt(async () => {
            learner.adopt(await lab.trained(), await aboutOpened());
        });
    }

    /** The reader's own file. It goes on with the text in the field, if that is
     *  the one it has learned. */
    function openFile(chosen) {
        if (!chosen) return;
        file.value = ''; // so that the same one can be chosen again
        return said.attempt(async () => {
            const run = await lab.Run.start();
            try {
                await run.open(new Uint8Array(await chosen.arrayBuffer()));
            } catch (error) {
                run.close();
                throw new Error(`${chosen.name}: ${error.message}`);
            }
            learner.adopt(run, await aboutOpened(run));
        });
    }

    async function aboutOpened(run) {
        const settings = SIZES.tiny;
        if (!run) return { settings, prompt: '\n', text: '' };
        const vocabulary = [...await run.text('vocabulary')];
        const prompt = vocabulary.includes('\n') ? '\n' : vocabulary[0];
        try {
            await run.call('go_on_with', text());
            return { settings, prompt, text: text() };
        } catch {
            return { settings, prompt, text: '' }; // it can write, not learn
        }
    }

    // What it writes

    make(place, 'p', { class: 'lab-title' }, 'Have it write');
    const prompt = field(place, 'a beginning', { value: 'Shall I' });
    prompt.name = 'prompt';
    const choice = row(place);
    const temperature = slider(choice, 'temperature',
        { min: 0, max: 2, step: 0.1, value: 0.8, show: (x) => x.toFixed(1) });
    const topK = slider(choice, 'top-k',
        { min: 0, max: 60, step: 1, value: 0, show: (k) => k || 'all' });
    const topP = slider(choice, 'top-p',
        { min: 0.05, max: 1, step: 0.05, value: 1, show: (p) => p.toFixed(2) });
    const write = button(row(place), 'Write 300 characters', writeMore);
    write.name = 'write';
    enable(write, false);
    const written = make(place, 'pre', { class: 'lab-text' });
    const writingSaid = trouble(place);
    const note = status(place);
    let seed = 0;

    function writeMore() {
        return writingSaid.attempt(async () => {
            const began = performance.now();
            const more = await learner.run.text('generate', prompt.value, 300,
                temperature.value, topK.value, topP.value, seed++);
            const seconds = (performance.now() - began) / 1000;
            written.textContent = prompt.value + more;
            const speed = (300 / seconds).toFixed(0);
            note.textContent = `${speed} characters a second.`;
        });
    }
});
