//! What a lease is worth.

use super::run::{Run, ms};
use crate::fault::Fault;

#[test]
fn lease_honoured() {
    const NAME: &str = "lease-honoured";
    let detached = || Run::started().at(1_000).detaches("s1", "c1", 31_000);
    detached().at(30_999).resumed("c2", "s1").passes(NAME);
    detached().at(32_000).still_attached("c2", "s1").passes(NAME);
    Run::started().is_vacuous(NAME);
    detached().at(31_001).resumed("c2", "s1").fails(
        NAME,
        "executor resumed s1 at +31.001s, although its lease had ended at +31.000s",
    );
    detached().at(31_000).expires("s1").resumed("c2", "s1").fails(
        NAME,
        "executor resumed s1 at +31.000s, although its lease had ended at +31.000s",
    );
    let bounce = Fault::Bounce {
        host: "executor".to_owned(),
        after: ms(500),
    };
    detached()
        .at(2_000)
        .strikes(bounce)
        .at(3_000)
        .resumed("c2", "s1")
        .fails(
            NAME,
            "executor resumed s1 at +3.000s, although it lost its memory at +2.000s",
        );
}

#[test]
fn stays_connected() {
    const NAME: &str = "stays-connected";
    let one = || Run::new().stays_connected().dials("c1");
    one().passes(NAME);
    Run::new().dials("c1").dials("c2").is_vacuous(NAME);
    one()
        .at(2_000)
        .dials("c2")
        .fails(NAME, "laptop dialed c2 at +2.000s without need");
}
