// The lab: losses on their ladder, as the axis of a drawing.
'use strict';

Object.assign(lab, (() => {
    const { draw, line, write } = lab;
    const LEVEL = { 'stroke-opacity': 0.3, 'stroke-dasharray': '2 4' };

    /** Moves names, from above to below, until they are 14 pixels apart. */
    function apart(ys) {
        for (let round = 0; round < 50; round++)
            for (let i = 1; i < ys.length; i++) {
                const push = Math.max(0, 14 - ys[i] + ys[i - 1]) / 2;
                ys[i - 1] -= push;
                ys[i] += push;
            }
        return ys;
    }

    /** The ladder as the axis of losses, and what draws beside it. `along` says
     *  how far to the right something is, from 0 to 1. */
    function axes(svg, width, height, { levels: all, least, along }) {
        const [left, right, base] = [96, width - 52, height - 44];
        const levels = all.filter(([, loss]) => loss >= least);
        const most = levels[0][1] + 0.3;
        const y = (loss) => 12 + (base - 12)
            * (most - Math.min(Math.max(loss, least), most)) / (most - least);
        const at = ([x, loss]) => [left + (right - left) * along(x), y(loss)];
        line(svg, left, base, right, base, { 'stroke-opacity': 0.5 });
        const names = apart(levels.map(([, loss]) => y(loss)));
        levels.forEach(([name, loss], i) => {
            line(svg, left, y(loss), right, y(loss), LEVEL);
            write(svg, left - 6, names[i] + 4, `${name} ${loss.toFixed(2)}`,
                { size: 12, 'text-anchor': 'end' });
        });
        const path = (points, more) => draw(svg, 'polyline', { fill: 'none',
            points: points.map(at).join(' '), stroke: 'currentColor',
            ...more });
        const legend = (lines) => lines.forEach(([x, name, more]) => {
            line(svg, x, height - 9, x + 18, height - 9, more);
            write(svg, x + 23, height - 5, name, { size: 12 });
        });
        return { at, y, base, right, most, path, legend };
    }

    return { apart, axes };
})());
