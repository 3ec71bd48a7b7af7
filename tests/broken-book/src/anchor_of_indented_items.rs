impl Item {
// ANCHOR: anchor_of_indented_items
    fn item() {}
// ANCHOR_END: anchor_of_indented_items
}
