//! What must be so in every run.

use itertools::Itertools;

use super::arms::{Arm, Client, PatroniArm};
use super::record::{FailoverLoss, Outcome, PatroniTrial, Trial};
use super::summing::{is_promised, of, predicted, valid, with_patroni};
use crate::chapter7::assessment::{Check, Must};
use crate::chapter7::level::Level;

/// `maximum_lag_on_failover`, in bytes: Patroni's default.
const MAXIMUM_LAG: u64 = 1 << 20;

/// What a cut must make local lose at least, as a share of what is predicted.
const SHOWN_SHARE: f64 = 0.8;

/// Looks at every outcome of trials from which something can be concluded.
fn outcomes(
    run: &FailoverLoss,
    of: impl Fn(&Trial, &Outcome) -> bool,
    is_so: impl Fn(&Trial, &Outcome) -> bool,
) -> Vec<(String, bool)> {
    let all = valid(run).flat_map(|t| t.outcomes.iter().map(move |o| (t, o)));
    all.filter(|(t, o)| of(t, o))
        .map(|(t, o)| {
            let case = format!("{}: {} of {} lost", t.case(o), o.lost, o.acked);
            (case, is_so(t, o))
        })
        .collect()
}

/// Looks at every trial, also at void ones.
fn trials(run: &FailoverLoss, is_so: fn(&Trial) -> bool) -> Vec<(String, bool)> {
    run.trials.iter().map(|t| (t.name(), is_so(t))).collect()
}

/// Whether somebody lost something, in each trial of an arm.
fn loses(run: &FailoverLoss, arm: Arm, level: Level, client: Client) -> Vec<(String, bool)> {
    let lost = of(run, arm).filter_map(|t| Some((t, t.lost(level, client)?)));
    lost.map(|(t, lost)| (format!("{level} in {}", t.name()), lost > 0))
        .collect()
}

pub(super) fn checks(run: &FailoverLoss) -> Vec<Check> {
    let kept = |levels: &[Level]| {
        outcomes(
            run,
            |t, o| levels.contains(&o.level) && is_promised(t.arm, o),
            |_, o| o.lost == 0,
        )
    };
    let any = |_: &Trial, _: &Outcome| true;
    let off_alone = of(run, Arm::InPlaceOff).collect_vec();
    let off_alone = (!off_alone.is_empty()).then(|| {
        let mut lost = off_alone
            .iter()
            .map(|t| t.lost(Level::Off, Client::Patient));
        (Arm::InPlaceOff.to_string(), lost.any(|lost| lost > Some(0)))
    });
    let without_list = Level::ALL.iter();
    let without_list = without_list.flat_map(|&l| loses(run, Arm::NoList, l, Client::Patient));
    let on = [
        (Arm::OtherStandby, Client::Patient),
        (Arm::Waiting, Client::Cancelled),
        (Arm::Emptied, Client::Freed),
    ];
    let on = on.map(|(arm, client)| loses(run, arm, Level::On, client));
    let mut checks = vec![
        Check::of(
            Must::Hold,
            "at on and remote_apply nothing acknowledged is lost where the list is set, the promoted standby is one that was waited for, and no wait was ended",
            kept(&[Level::On, Level::RemoteApply]),
        ),
        Check::of(
            Must::Hold,
            "nor at remote_write, unless the standby lost its page cache",
            kept(&[Level::RemoteWrite]),
        ),
        Check::of(
            Must::Hold,
            "at local nothing acknowledged is lost where the primary is started again in place",
            kept(&[Level::Local]),
        ),
        Check::of(
            Must::Hold,
            "what a writer lost comes after all that it kept",
            outcomes(run, any, |_, o| o.holes == 0),
        ),
        Check::of(
            Must::Hold,
            "what was lost at local and above is still there when the old primary is opened alone",
            outcomes(
                run,
                |_, o| o.on_old.is_some() && o.level >= Level::Local,
                |_, o| o.on_old == Some(o.lost),
            ),
        ),
        Check::of(
            Must::Hold,
            "an acknowledgement has a warning only where the wait was cancelled",
            outcomes(run, any, |_, o| {
                o.warned == 0 || o.client == Client::Cancelled
            }),
        ),
        Check::of(
            Must::Hold,
            "there is no row that no client has sent",
            trials(run, |t| t.foreign == 0),
        ),
        Check::of(
            Must::Hold,
            "no row is there twice",
            trials(run, |t| t.twice == 0),
        ),
        Check::of(
            Must::Show,
            "local loses 0.8 of what is predicted at least, where the link was cut",
            outcomes(
                run,
                |t, o| o.level == Level::Local && !t.arm.cut().is_zero(),
                |t, o| {
                    let predicted = predicted(t.arm, o.level, o.client);
                    predicted.is_some_and(|rows| o.lost as f64 >= SHOWN_SHARE * rows)
                },
            ),
        ),
        Check::of(
            Must::Show,
            "every level loses where the list is empty",
            without_list,
        ),
        Check::of(
            Must::Show,
            "off alone loses in one restart in place at least",
            off_alone,
        ),
        Check::of(
            Must::Show,
            "remote_write loses where the standby lost its page cache",
            loses(run, Arm::PageCache, Level::RemoteWrite, Client::Patient),
        ),
        Check::of(
            Must::Show,
            "on loses where another standby is promoted, waits are cancelled or the list is emptied",
            on.into_iter().flatten(),
        ),
        Check::of(
            Must::Show,
            "the standby was what it had to be before the kill, and was promoted in time",
            run.trials.iter().map(|t| match &t.void {
                Some(why) => (format!("{}: {why}", t.name()), false),
                None => (t.name(), true),
            }),
        ),
    ];
    if !run.patroni.is_empty() {
        checks.extend(patroni(run));
    }
    checks
}

/// The same for Patroni.
fn patroni(run: &FailoverLoss) -> Vec<Check> {
    let lost = |arm: PatroniArm, level, is_so: fn(u64) -> bool| {
        with_patroni(run, arm, level).map(|t| {
            let case = format!("{level} with {arm}: {} of {} lost", t.lost, t.acked);
            (case, is_so(t.lost))
        })
    };
    // Of trials for which there is an answer.
    let each = |is_so: fn(&PatroniTrial) -> Option<bool>| {
        let trials = run.patroni.iter();
        trials.filter_map(move |t| Some((t.arm.to_string(), is_so(t)?)))
    };
    let valid = |arm: PatroniArm, is_so: fn(&PatroniTrial) -> Option<bool>| {
        let trials = run.patroni.iter();
        let trials = trials.filter(move |t| t.arm == arm && t.void.is_none());
        trials.filter_map(move |t| Some((t.arm.to_string(), is_so(t)?)))
    };
    vec![
        Check::of(
            Must::Hold,
            "with Patroni's synchronous_mode nothing acknowledged at on is lost",
            lost(PatroniArm::On, Level::On, |lost| lost == 0),
        ),
        Check::of(
            Must::Hold,
            "with Patroni there is no row that no client has sent, and none twice",
            each(|t| Some(t.foreign == 0 && t.twice == 0)),
        ),
        Check::of(
            Must::Hold,
            "with Patroni never two nodes take writes in one look at all of them, every 200 ms",
            each(|t| Some(t.looks?.most_leaders <= 1)),
        ),
        Check::of(
            Must::Hold,
            "with synchronous_mode Patroni promotes nobody who is not in /sync",
            each(|t| {
                let in_sync = t.at_kill.as_ref()?.in_sync.as_ref()?;
                Some(
                    t.promoted
                        .as_ref()
                        .is_none_or(|name| in_sync.contains(name)),
                )
            }),
        ),
        Check::of(
            Must::Hold,
            "when Patroni's old leader is back, all nodes have the same rows",
            each(|t| Some(t.rejoined.as_ref()?.rows.iter().all_equal())),
        ),
        Check::of(
            Must::Hold,
            "what was lost with Patroni is on the old leader until it is back",
            valid(PatroniArm::Off, |t| {
                let mut outcomes = t.outcomes.iter();
                t.rejoined.as_ref()?;
                Some(outcomes.all(|o| o.on_old == Some(o.lost)))
            }),
        ),
        Check::of(
            Must::Hold,
            "where Patroni promotes nobody, nothing acknowledged is missing when the old leader is back",
            valid(PatroniArm::NotStrict, |t| {
                Some(t.outcomes.iter().all(|o| o.lost == 0))
            }),
        ),
        Check::of(
            Must::Show,
            "with Patroni a cut loses at on without synchronous_mode, and at local with it",
            [
                lost(PatroniArm::Off, Level::On, |lost| lost > 0),
                lost(PatroniArm::On, Level::Local, |lost| lost > 0),
            ]
            .into_iter()
            .flatten(),
        ),
        Check::of(
            Must::Show,
            "pg_rewind takes rows from Patroni's old leader",
            valid(PatroniArm::Off, |t| {
                let rejoined = t.rejoined.as_ref()?;
                Some(rejoined.rewound.is_some() && rejoined.after < rejoined.before)
            }),
        ),
        Check::of(
            Must::Show,
            "Patroni promotes a node that lacks more than maximum_lag_on_failover, where the stored position is old",
            valid(PatroniArm::StalePosition, |t| {
                let missing = t.at_kill.as_ref()?.missing();
                Some(t.promoted.is_some() && missing > MAXIMUM_LAG)
            }),
        ),
        Check::of(
            Must::Show,
            "Patroni promotes nobody where the leader was alone, also within maximum_lag_on_failover, and one node has what it then acknowledged",
            valid(PatroniArm::NotStrict, |t| {
                let is_near = t.at_kill.as_ref()?.missing() < MAXIMUM_LAG;
                Some(t.promoted.is_none() && is_near && t.on_one_node > Some(0))
            }),
        ),
        Check::of(
            Must::Show,
            "one of Patroni's two standbys was behind the other when the leader died",
            valid(PatroniArm::Behind, |t| Some(t.behind_bytes > Some(0))),
        ),
        Check::of(
            Must::Show,
            "Patroni's standbys were what they had to be before the kill, and there was a new leader where one must be",
            run.patroni.iter().map(|t| match &t.void {
                Some(why) => (format!("{}: {why}", t.arm), false),
                None => (t.arm.to_string(), true),
            }),
        ),
    ]
}
