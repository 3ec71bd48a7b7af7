// On top of mdBook's own scripts: what a page of this book does that neither
// mdBook nor a stylesheet can.
'use strict';

// Answers are unfolded on paper. The stylesheet does it, too, but not in the
// browsers that came before ::details-content (in 2024 and 2025).
(() => {
    let unfolded = [];
    addEventListener('beforeprint', () => {
        unfolded = [...document.querySelectorAll('details:not([open])')];
        for (const details of unfolded) details.open = true;
    });
    addEventListener('afterprint', () => {
        for (const details of unfolded) details.open = false;
    });
})();
