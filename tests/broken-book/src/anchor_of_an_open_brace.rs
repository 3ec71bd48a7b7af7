// ANCHOR: anchor_of_an_open_brace
fn item() {
let half = ();
// ANCHOR_END: anchor_of_an_open_brace
}
