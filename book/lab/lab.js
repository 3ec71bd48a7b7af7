// The lab: what the figures of this book that come to life have in common.
//
// It loads the crate (microgpt.js, as WebAssembly, once somebody asks for it),
// has it work beside the page, in a worker, and makes what a reader can press
// and drag. Nothing is fetched, since a page that was opened as a file may not:
// what is needed comes in scripts, and the worker from a function below.
'use strict';

globalThis.lab = (() => {
    const widgets = {};
    const scripts = new Map();

    /** Loads a script of this folder, once. */
    function script(name) {
        if (!scripts.has(name)) {
            scripts.set(name, new Promise((done, fail) => {
                const element = document.createElement('script');
                element.async = false; // in the order they are asked for
                element.src = `${path_to_root}lab/${name}`;
                element.onload = done;
                element.onerror = () => {
                    scripts.delete(name); // so that one can try again
                    fail(new Error(`${name} could not be loaded`));
                };
                document.head.append(element);
            }));
        }
        return scripts.get(name);
    }

    /** Bytes out of base64 of gzip. */
    async function unpack(packed) {
        const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
        const stream = new Blob([bytes]).stream();
        const raw = stream.pipeThrough(new DecompressionStream('gzip'));
        return new Uint8Array(await new Response(raw).arrayBuffer());
    }

    /** What runs in the worker, and is sent there as text. */
    function worker() {
        let functions; // those of the module
        let step = 0;
        let paused = true;

        /** Calls a function of the module with bytes and numbers. */
        function call(name, input, numbers) {
            // The memory may grow, and its buffer then is another
            const place = functions.room(input.length);
            new Uint8Array(functions.memory.buffer).set(input, place);
            const answer = () => {
                const [place, n] = [functions.place(), functions.length()];
                return functions.memory.buffer.slice(place, place + n);
            };
            const words = () => new TextDecoder().decode(answer());
            let fine;
            try {
                fine = functions[name](...numbers);
            } catch (trap) {
                // The module is of no use any more; its last words are there
                throw Object.assign(new Error(words() || trap), { trap });
            }
            if (!fine) throw new Error(words());
            if (name === 'begin' || name === 'open')
                step = new Float64Array(answer())[5];
            return answer();
        }

        // What was asked meanwhile comes first. (A timer would wait longer.)
        const { port1, port2 } = new MessageChannel();
        const turn = () => new Promise((soon) => {
            port1.onmessage = soon;
            port2.postMessage('');
        });

        const nothing = new Uint8Array();
        const evaluate = () =>
            new Float64Array(call('evaluate', nothing, []))[0];

        /** Trains to a step, in slices: between two, questions are answered. */
        async function train({ until, every }) {
            paused = false;
            let validation = step % every === 0 ? evaluate() : undefined;
            postMessage({ step, reports: new Float32Array(), validation });
            while (step < until && !paused) {
                const end = performance.now() + 40;
                const reports = [];
                validation = undefined;
                while (performance.now() < end && validation === undefined
                       && step < until) {
                    try {
                        const report = call('steps', nothing, [1]);
                        reports.push(...new Float32Array(report));
                    } catch (error) {
                        postMessage({ step, reports }); // those before it
                        throw error;
                    }
                    step += 1;
                    if (step % every === 0 || step === until)
                        validation = evaluate();
                }
                postMessage({ step, reports, validation });
                await turn();
            }
            return step;
        }

        async function work(asked) {
            const { module, name, input, numbers, until, every, pause } = asked;
            if (module) functions =
                (await WebAssembly.instantiate(module)).instance.exports;
            else if (pause) paused = true;
            else if (until) return train({ until, every });
            else return call(name, input, numbers);
        }
        onmessage = async ({ data }) => {
            try {
                postMessage({ id: data.id, answer: await work(data) });
            } catch ({ message, trap }) {
                paused = true;
                postMessage({ id: data.id, message, trap: Boolean(trap) });
            }
        };
    }

    const runs = new Set();

    /** The crate in a worker of its own, with one run. */
    class Run {
        waiting = new Map(); // what was asked and is not yet answered
        asked = 0;

        static async start() {
            await script('microgpt.js');
            const run = new Run();
            run.module = await unpack(MICROGPT.module);
            await run.restart();
            return run;
        }

        /** A worker, with nothing in it but the module. */
        async restart() {
            this.close();
            const text = new Blob([`(${worker})()`],
                { type: 'text/javascript' });
            const address = URL.createObjectURL(text);
            this.worker = new Worker(address);
            URL.revokeObjectURL(address);
            this.worker.onmessage = ({ data }) => this.hear(data);
            this.worker.onerror = (event) =>
                this.fail(new Error(event.message || 'the worker has stopped'));
            runs.add(this);
            await this.ask({ module: this.module });
        }

        hear({ id, answer, message, trap, ...progress }) {
            if (id === undefined) return this.watch?.(progress);
            const { done, fail } = this.waiting.get(id);
            this.waiting.delete(id);
            if (message === undefined) return done(answer);
            // After a panic everything begins anew; whoever asked is told
            const error = new Error(message);
            if (trap) this.restart().then(() => fail(error), fail);
            else fail(error);
        }

        fail(error) {
            for (const { fail } of this.waiting.values()) fail(error);
            this.waiting.clear();
        }

        ask(message) {
            const id = this.asked++;
            return new Promise((done, fail) => {
                this.waiting.set(id, { done, fail });
                this.worker.postMessage({ id, ...message });
            });
        }

        /** Calls a function of crates/lab/src/page.rs; gives an ArrayBuffer. */
        call(name, input = '', ...numbers) {
            const text = typeof input === 'string';
            const bytes = text ? new TextEncoder().encode(input) : input;
            return this.ask({ name, input: bytes, numbers });
        }
        floats = async (...asked) =>
            new Float32Array(await this.call(...asked));
        doubles = async (...asked) =>
            new Float64Array(await this.call(...asked));
        text = async (...asked) =>
            new TextDecoder().decode(await this.call(...asked));

        /** Begins to learn a text. */
        async begin(text, settings) {
            const s = { ...CHAPTER_1, ...settings };
            this.numbers = sizes(await this.doubles(
                'begin', text, s.n_layer, s.n_head, s.n_embd, s.block_size,
                s.batch_size, s.steps, s.max_lr, s.max_norm, s.average,
                s.eval_interval, s.seed, s.seed_of_batches,
            ));
            return this.numbers;
        }

        /** Opens the bytes of a file. */
        async open(file) {
            this.numbers = sizes(await this.doubles('open', file));
            return this.numbers;
        }

        /** Trains to a step. `watch` is told of each slice: `step`, `reports`
         *  (loss, gradient's length and rate of each step) and, after every
         *  so many steps, `validation`. Ends with the step that it has come to.
         */
        train({ until, every, watch }) {
            this.watch = watch;
            return this.ask({ until, every });
        }
        pause = () => this.ask({ pause: true });

        close() {
            this.fail(new Error('the run was closed'));
            this.worker?.terminate();
            runs.delete(this);
        }
    }

    /** The settings of chapter 1's pipeline. */
    const CHAPTER_1 = {
        n_layer: 2, n_head: 2, n_embd: 32, block_size: 32, batch_size: 8,
        steps: 2000, max_lr: 3e-3, max_norm: 1, average: 0, eval_interval: 500,
        seed: 1, seed_of_batches: 4,
    };

    const SIZES = ['parameters', 'n_layer', 'n_head', 'n_embd', 'block_size',
                   'step', 'steps', 'training', 'validation'];
    const sizes = (numbers) =>
        Object.fromEntries(SIZES.map((name, i) => [name, numbers[i]]));

    /** A text that comes with the crate: Shakespeare's sonnets. */
    async function sonnets() {
        await script('microgpt.js');
        return new TextDecoder().decode(await unpack(MICROGPT.sonnets));
    }

    /** Chapter 1's model, trained, in a worker of its own. */
    async function trained() {
        const run = await Run.start();
        await script('trained.js');
        await run.open(await unpack(MICROGPT.trained));
        return run;
    }

    // Who leaves the page has no use for what it computes.
    addEventListener('pagehide', () => {
        for (const run of runs) run.pause();
    });

    return {
        CHAPTER_1, Run, script, sonnets, trained, unpack,
        /** Registers a widget: `make(place, figure)` brings it to life. */
        widget(name, make) { widgets[name] = make; },
        /** Brings a figure to life, in place of what it shows. */
        async open(figure) {
            const name = figure.dataset.lab;
            await Promise.all(
                ['controls.js', 'draw.js', `${name}.js`].map(script),
            );
            const place = document.createElement('div');
            place.className = 'lab';
            place.tabIndex = -1;
            figure.prepend(place);
            try {
                await widgets[name](place, figure);
            } catch (error) {
                place.remove();
                throw error;
            }
            figure.classList.add('lab-open'); // hides what is printed instead
        },
    };
})();
