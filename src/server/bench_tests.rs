//! What a bench says of levels that are not available.

use super::*;
use crate::config::ServerChoice;

#[test]
fn a_version_that_cannot_be_had_is_named_and_the_others_stay() {
    let none = Factors {
        pg: Some(PgSource::Bin("/nowhere/bin".into())),
        ..Factors::standing(0)
    };
    let mut config = crate::experiment::find("churn-tail")
        .unwrap()
        .config(crate::arm::Mode::Server, crate::experiment::Scale::Quick);
    config.factors.standing = vec![0];
    let mut server = config.server.clone().unwrap();
    server.server = ServerChoice::Local;
    let mut bench = ServerBench::new((&config, &server), Cancel::default(), &|_| {});
    let absent = bench.absent_levels(std::slice::from_ref(&none));
    assert_eq!(absent.len(), 1);
    assert!(absent[0].wanted);
    assert!(
        absent[0].reason.contains("/nowhere/bin"),
        "{}",
        absent[0].reason
    );
}
