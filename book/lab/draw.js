// The lab's drawings: a curve, a heat map, bars. They are SVG of as many units
// as the column has pixels, so that letters stay as large on a phone.
'use strict';

Object.assign(lab, (() => {
    const { draw, make, spoken, visible } = lab;
    const BLUE = '#0072B2', ORANGE = '#D55E00', GREEN = '#009E73';

    /** An empty drawing, as wide as its place; `paint(svg, width)` fills it,
     *  and again when the place has another width. */
    function canvas(parent, title, height, paint) {
        const svg = draw(parent, 'svg',
            { role: 'img', class: 'lab-drawing', fill: 'currentColor' });
        const name = draw(svg, 'title', {}, title);
        let drawn = 0;
        const repaint = () => {
            const width = Math.floor(parent.clientWidth) || drawn;
            if (!width) return;
            drawn = width;
            const h = typeof height === 'function' ? height(width) : height;
            svg.setAttribute('viewBox', `0 0 ${width} ${h}`);
            svg.setAttribute('width', width);
            svg.setAttribute('height', h);
            svg.replaceChildren(name);
            paint(svg, width, h);
        };
        new ResizeObserver(() => {
            if (Math.floor(parent.clientWidth) !== drawn) repaint();
        }).observe(parent);
        repaint();
        return { svg, repaint, name(text) { name.textContent = text; } };
    }

    const line = (svg, x1, y1, x2, y2, more) =>
        draw(svg, 'line', { x1, y1, x2, y2, stroke: 'currentColor', ...more });
    /** Words; the book's figures grow on a phone, and these are as large there
     *  already, so their size is a style. */
    function write(svg, x, y, words, { size = 13, ...more } = {}) {
        const style = `font-size: ${size}px`;
        return draw(svg, 'text', { x, y, style, ...more }, words);
    }

    /** Losses against steps: lines that grow, and levels to compare with.
     *  `levels` is `[[name, loss], …]`; `lines` names and colours them. */
    function curve(parent, title, { steps, lines, levels = [], top, bottom }) {
        const points = lines.map(() => []); // [step, loss]
        let floor = bottom ?? Math.min(1.5, ...levels.map(([, y]) => y - 0.2));
        let ceiling = top ?? Math.max(4.5, ...levels.map(([, y]) => y + 0.3));
        const tall = (width) => (width < 500 ? 260 : 300);
        const picture = canvas(parent, title, tall, paint);

        function paint(svg, width, height) {
            const left = 36, right = width - (levels.length ? 62 : 14);
            const base = height - 42;
            const x = (step) => left + (right - left) * step / steps;
            const y = (loss) => 14 + (base - 14)
                * (ceiling - Math.min(Math.max(loss, floor), ceiling))
                / (ceiling - floor);
            const whole = Math.max(1, Math.ceil((ceiling - floor) / 6));
            for (let n = Math.ceil(floor); n <= ceiling; n += whole) {
                line(svg, left - 4, y(n), left, y(n),
                    { 'stroke-opacity': 0.5 });
                write(svg, left - 8, y(n) + 4, n, { 'text-anchor': 'end' });
            }
            line(svg, left, base, right, base, { 'stroke-opacity': 0.5 });
            write(svg, right, base + 17, `step ${steps.toLocaleString('en')}`,
                { 'text-anchor': 'end' });
            write(svg, left, base + 17, '0');
            let above = base + 16; // names of levels keep their distance
            const up = [...levels].sort((a, b) => a[1] - b[1]);
            for (const [name, loss] of up) {
                line(svg, left, y(loss), right, y(loss),
                    { 'stroke-opacity': 0.3, 'stroke-dasharray': '2 4' });
                above = Math.min(y(loss) + 4, above - 13);
                write(svg, right + 5, above, name, { size: 12 });
            }
            lines.forEach(({ name, color, width = 2 }, i) => {
                const path = thin(points[i], right - left)
                    .map(([step, loss]) =>
                        `${x(step).toFixed(1)},${y(loss).toFixed(1)}`);
                draw(svg, 'polyline', { points: path.join(' '), fill: 'none',
                    stroke: color, 'stroke-width': width,
                    'stroke-opacity': width < 2 ? 0.6 : 1 });
                const at = left + i * Math.min(150, (right - left) / 2);
                line(svg, at, height - 9, at + 18, height - 9,
                    { stroke: color, 'stroke-width': width + 1 });
                write(svg, at + 23, height - 5, name, { size: 12 });
            });
        }

        /** No more points than pixels: the mean of those that share one. */
        function thin(all, pixels) {
            const each = Math.ceil(all.length / pixels);
            if (each <= 1) return all;
            const means = [];
            for (let i = 0; i < all.length; i += each) {
                const some = all.slice(i, i + each);
                const sum = some.reduce((sum, [, loss]) => sum + loss, 0);
                means.push([some[0][0], sum / some.length]);
            }
            return means;
        }

        let planned = false;
        return {
            add(i, step, loss) {
                points[i].push([step, loss]);
                if (bottom === undefined && loss < floor) floor = loss - 0.2;
                if (top === undefined && loss > ceiling && loss < 1e4)
                    ceiling = loss * 1.1;
                if (planned) return;
                planned = true; // once a frame
                requestAnimationFrame(() => {
                    planned = false;
                    picture.repaint();
                });
            },
            levels(more) {
                levels = more;
                const losses = more.map(([, loss]) => loss);
                if (bottom === undefined)
                    floor = Math.min(floor, Math.min(...losses) - 0.2);
                if (top === undefined)
                    ceiling = Math.max(ceiling, Math.max(...losses) + 0.3);
                picture.repaint();
            },
            name: picture.name,
        };
    }

    /** A matrix as shades, with the characters of its rows and columns. A row
     *  is chosen by pointer or arrow keys, and `onrow(i)` is told. `values` is
     *  rows of numbers; `shade(x, i, j)` gives -1 to 1, or undefined for
     *  stripes. */
    function heatMap(parent, title, options) {
        const { labels, onrow, size = 400 } = options;
        let { values, shade } = options;
        const n = labels.length;
        const room = 18; // for a letter
        let chosen = n - 1;
        let mark = () => {};
        const square = (width) => Math.min(width, size) + 2;
        const picture = canvas(parent, title, square, paint);
        const { svg } = picture;

        function paint(svg, width) {
            const side = (Math.min(width, size) - room) / n;
            const left = (width - n * side - room) / 2 + room;
            const style = { size: Math.min(13, side * 0.95),
                'text-anchor': 'middle', 'font-family': 'monospace' };
            hatching(svg);
            const names = labels.map((c, i) => {
                const middle = side * (i + 0.5);
                write(svg, left + middle, 12, visible(c), style);
                return write(svg, left - 8, room + middle + side * 0.3,
                    visible(c), style);
            });
            values.forEach((row, i) => row.forEach((x, j) => {
                const much = shade(x, i, j);
                const color = much === undefined
                    ? { fill: 'url(#lab-stripes)' }
                    : { fill: much < 0 ? ORANGE : BLUE,
                        'fill-opacity': Math.min(1, Math.abs(much)) };
                draw(svg, 'rect', { x: left + j * side, y: room + i * side,
                    width: side * 0.95, height: side * 0.95, ...color });
            }));
            if (!onrow) return;
            const frame = draw(svg, 'rect', { x: left - 1, width: n * side + 1,
                height: side + 1, fill: 'none', stroke: 'currentColor' });
            mark = () => {
                frame.setAttribute('y', room + chosen * side - 1);
                names.forEach((name, i) => name.setAttribute('font-weight',
                    i === chosen ? 700 : 400));
            };
            mark();
            svg.onpointermove = svg.onpointerdown = (event) => {
                const y = event.clientY - svg.getBoundingClientRect().top;
                choose(Math.floor((y - room) / side));
            };
        }

        function tell() {
            svg.setAttribute('aria-valuenow', chosen);
            svg.setAttribute('aria-valuetext',
                `place ${chosen}: ${spoken(labels[chosen])}`);
            onrow(chosen);
        }
        function choose(i) {
            if (i < 0 || i >= n || i === chosen) return;
            chosen = i;
            mark();
            tell();
        }
        if (onrow) {
            const role = { tabindex: 0, role: 'slider', 'aria-valuemin': 0,
                'aria-valuemax': n - 1, 'aria-orientation': 'vertical',
                'aria-label': title };
            for (const name in role) svg.setAttribute(name, role[name]);
            svg.onkeydown = (event) => {
                const to = { ArrowDown: chosen + 1, ArrowUp: chosen - 1,
                    Home: 0, End: n - 1 }[event.key];
                if (to === undefined) return;
                event.preventDefault();
                choose(to);
            };
            tell();
        }
        return {
            update(more) {
                ({ values = values, shade = shade } = more);
                picture.repaint();
                if (onrow) tell();
            },
            get chosen() { return chosen; },
            choose,
        };
    }

    /** Stripes, for cells that hold no number. */
    function hatching(svg) {
        const pattern = draw(draw(svg, 'defs'), 'pattern', { id: 'lab-stripes',
            width: 5, height: 5, patternUnits: 'userSpaceOnUse',
            patternTransform: 'rotate(45)' });
        line(pattern, 0, 0, 0, 5, { 'stroke-opacity': 0.5 });
    }

    /** Bars from zero, each with a name and a value: `[{ name, value, note }]`.
     *  With `onpick`, each is a button, and a screen reader says its name, its
     *  value and `more`. */
    function bars(parent, { onpick, most, describe = String } = {}) {
        const list = make(parent, 'ul', { class: 'lab-bars' });
        const wide = (items) => items.some(({ name }) => name.length > 1);
        return (items) => {
            const sizes = items.map(({ value }) => Math.abs(value));
            const scale = most ?? Math.max(...sizes);
            list.classList.toggle('wide', wide(items));
            const focused = [...list.children].findIndex((item) =>
                item.contains(document.activeElement));
            list.replaceChildren(...items.map((shown) => {
                const { name, value, note, faint, more = '' } = shown;
                const item = make(null, 'li', faint ? { class: 'faint' } : {});
                const place = onpick
                    ? make(item, 'button', { type: 'button',
                        onclick: () => onpick(name) })
                    : item;
                make(place, 'span', { class: 'name' }, visible(name));
                place.append(' ');
                const part = Math.min(1, Math.abs(value) / scale) * 100;
                const bar = make(place, 'span', { class: 'bar' });
                make(bar, 'span', { class: value < 0 ? 'minus' : 'plus',
                    style: `width: ${part.toFixed(1)}%` });
                const last = make(place, 'span', { class: 'value' },
                    note ?? describe(value));
                if (onpick) place.setAttribute('aria-label',
                    `${spoken(name)} ${last.textContent}${more}`);
                return item;
            }));
            // The keyboard stays where it was, at a bar of another name
            list.children[focused]?.querySelector('button')?.focus();
        };
    }

    return { BLUE, ORANGE, GREEN, canvas, line, write, curve, heatMap, bars };
})());
