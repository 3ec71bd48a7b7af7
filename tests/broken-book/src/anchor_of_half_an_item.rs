// ANCHOR: anchor_of_half_an_item
fn item() {
    let half = ();
// ANCHOR_END: anchor_of_half_an_item
}
