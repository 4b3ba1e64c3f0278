//! A block's children are told how to map the PGPROC array before they join, and asked what they did.

use super::provision::{PremappedBlock, RunningServer};
use crate::arm::Arm;
use crate::load::driver::Failure;
use crate::procarray::PgProfile;

/// Begins a block of `arm`. None on a server without the library; on one with it, children of all other arms are
/// told to do nothing, and counted all the same.
///
/// # Errors
/// [`Failure::ArmLost`] where the arm needs the library and the server has none.
pub(super) fn begin(
    server: &RunningServer,
    arm: Arm,
) -> Result<Option<PremappedBlock<'_>>, Failure> {
    let profile = server.pg_major().and_then(PgProfile::of_major);
    match (server.premap(), profile) {
        (Some(page), Some(profile)) => {
            let begun = page.begin(arm.premapping(), profile.version().stride);
            Ok(Some(begun.map_err(lost)?))
        }
        _ if arm.premapping().is_some() => Err(Failure::ArmLost(
            "the server does not preload the library that maps".to_owned(),
        )),
        _ => Ok(None),
    }
}

/// Ends it; what its children did.
///
/// # Errors
/// When that cannot be read.
pub(super) fn counters(
    block: Option<PremappedBlock<'_>>,
) -> Result<Vec<(&'static str, u64)>, Failure> {
    let Some(block) = block else {
        return Ok(Vec::new());
    };
    let done = block.end().map_err(lost)?;
    Ok(vec![
        ("premap.children", done.children),
        ("premap.touches", done.touches),
    ])
}

fn lost(error: std::io::Error) -> Failure {
    Failure::StartLost(format!("the preloaded library's page: {error}"))
}
