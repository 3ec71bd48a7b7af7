//! The figure of the appendix on the tape.

use super::svg::*;
use double::scalar_autograd::Tape;

/// The tape of `ℓ = a·b + a`: values on the way out, slopes on the way back.
pub fn tape() -> String {
    let mut svg = Svg::new(
        720,
        270,
        "The tape of a product and a sum",
        "Four boxes from left to right: a, b, their product, and the loss. \
         Solid arrows lead from each number to those made from it and carry \
         local slopes. Dashed arrows lead back and carry what is passed on; a \
         is reached by two of them, and adds them.",
    );
    let tape = Tape::default();
    let (a, b) = (tape.leaf(3.0), tape.leaf(4.0));
    let grad = (a * b + a).backward();
    svg.describe(&format!(
        "The numbers are a = 3, b = 4, 12 and 15; their gradients are {}.",
        listed(&grad[..4], 0)
    ));
    let (nodes, x) = (tape.nodes(), |i: usize| 70.0 + 190.0 * i as f64);
    let (top, bottom, small) = (106.0, 164.0, " font-size=\"12\"");
    let green = format!("{small} fill=\"{GREEN}\"");
    let mut received = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate().rev() {
        for (slot, (parent, slope)) in
            node.parents.into_iter().flatten().enumerate()
        {
            let out = format!("slope {slope}");
            let back = format!("{} · {slope}", grad[i]);
            received[parent].push((grad[i] * slope).to_string());
            let (from, to) = (x(parent), x(i));
            let middle = (from + to) / 2.0;
            if i - parent == 1 {
                let (from, to) = (from + 65.0, to - 65.0);
                svg.arrow(&[(from, 120.0), (to, 120.0)], INK, false);
                svg.styled(middle, 113.0, Align::Middle, small, &out);
                svg.arrow(&[(to, 150.0), (from, 150.0)], GREEN, true);
                svg.styled(middle, 166.0, Align::Middle, &green, &back);
                continue;
            }
            // Over the boxes and under them, the longer way further out
            let lane = 36.0 * (i - parent - 1) as f64;
            let (from, to) = (from - 12.0 * slot as f64, to - 12.0);
            let (over, under) = (top - lane, bottom + lane);
            let way = [(from, top), (from, over), (to, over), (to, top)];
            svg.arrow(&way, INK, false);
            svg.styled(middle, over - 6.0, Align::Middle, small, &out);
            let way =
                [(to, bottom), (to, under), (from, under), (from, bottom)];
            svg.arrow(&way, GREEN, true);
            svg.styled(middle, under + 16.0, Align::Middle, &green, &back);
        }
    }
    for (i, name) in ["a", "b", "a·b", "ℓ"].iter().enumerate() {
        svg.frame([x(i) - 65.0, top, 130.0, bottom - top], INK);
        let value = format!("{name} = {}", nodes[i].value);
        svg.text(x(i), top + 24.0, Align::Middle, &value);
        let sum = match received[i].as_slice() {
            [] | [_] => format!("slope {}", grad[i]),
            several => format!("slope {} = {}", several.join(" + "), grad[i]),
        };
        svg.styled(x(i), top + 45.0, Align::Middle, &green, &sum);
    }
    svg.finish()
}
