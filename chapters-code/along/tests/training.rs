//! Chapter 6: `adamw(w, g: &[f64], m, v, t: i32, lr: f64)`, where `w`, `m` and `v`
//! are `&mut [f64]`: parameters, momentum and mean square. Settings as in the book:
//! β₁ 0.9, β₂ 0.99, ε 1e-8, decay 0.1. The first step has `t = 1`.

use along::adamw;

/// One parameter after steps with these gradients.
fn after(mut w: f64, gradients: &[f64], lr: f64) -> f64 {
    let (mut m, mut v) = (0.0, 0.0);
    for (t, &g) in (1..).zip(gradients) {
        let (w, m, v) = (&mut w, &mut m, &mut v);
        adamw(one(w), &[g], one(m), one(v), t, lr);
    }
    w
}

fn one(x: &mut f64) -> &mut [f64] {
    std::slice::from_mut(x)
}

#[track_caller]
fn assert_close(found: f64, wanted: f64) {
    assert!((found - wanted).abs() < 1e-9, "{found} instead of {wanted}");
}

#[test]
fn the_first_step_has_the_length_of_the_learning_rate() {
    assert_close(after(0.0, &[5.0], 0.01), -0.01);
    assert_close(after(0.0, &[-0.003], 0.01), 0.01 / (1.0 + 1e-8 / 0.003));
}

#[test]
fn a_constant_gradient_makes_steps_of_equal_length() {
    // Between steps, the decay leaves 1 - 0.01·0.1 of the parameter.
    let kept: f64 = 0.999;
    let wanted = -0.01 * (1.0 + kept + kept * kept);
    let found = after(0.0, &[0.5, 0.5, 0.5], 0.01);
    assert!((found - wanted).abs() < 1e-8, "{found} instead of {wanted}");
}

#[test]
fn weight_decay_acts_on_the_parameter_alone() {
    assert_close(after(2.0, &[0.0], 0.01), 2.0 - 0.01 * 0.1 * 2.0);
    let difference = after(2.0, &[1.0], 0.01) - after(0.0, &[1.0], 0.01);
    assert_close(difference, 2.0 - 0.01 * 0.1 * 2.0);
}

#[test]
fn momentum_remembers() {
    // Two steps with gradients 1 and -1. The corrected mean is
    // (0.9·0.1 - 0.1) / (1 - 0.81), the corrected mean square is 1.
    let first = -0.01;
    let second = 0.01 * (0.01 / 0.19);
    assert_close(after(0.0, &[1.0, -1.0], 0.01), first * 0.999 + second);
}
