use super::*;
use crate::arm::Mode;
use crate::config::gentle;
use crate::experiment::analyse;
use crate::record::Run;
use crate::record::{Census, OthersConnections, PoolMode, Seen, ServerProvenance, ServerSettings};
use crate::record::{Operation, Phase, Role, RunStatus, SeriesHistogram, SeriesKey};
use crate::stats::PoolingAnswer;
use crate::testing::sample_run;

fn survey() -> Survey {
    Survey {
        settings: Ok(ServerSettings {
            max_connections: 100,
            reserved: 10,
            shared_buffers: "128MB".into(),
            huge_pages: "off".into(),
            huge_pages_status: None,
        }),
        standby: Ok(false),
        census: crowd(40),
        between: Ok(Between::Nothing),
        reads_all_stats: Ok(false),
        ..Survey::unknown(15, "versions before 14 do not count them")
    }
}

fn crowd(connections: u64) -> Seen<Census> {
    Ok(Census {
        connections,
        ..Census::default()
    })
}

fn nobody_counted() -> Seen<OthersConnections> {
    survey().others
}

fn others(count: u64) -> Seen<OthersConnections> {
    Ok(OthersConnections {
        count,
        over_s: 10.0,
        without_ours: true,
    })
}

/// A run whose unpooled readers are no slower, with connections of 2 ms and transactions of `kept_ns`.
fn run(kept_ns: u64, survey: Survey) -> Run {
    let mut run = sample_run(12);
    // As on a server that is somebody's own.
    run.config.factors.standing = vec![0];
    run.blocks.retain(|b| b.factors.standing == 0);
    let mut config = crate::experiment::find("churn-tail")
        .unwrap()
        .config(Mode::Server, crate::experiment::Scale::Quick);
    gentle(&mut config, false);
    run.config.server = config.server;
    run.mode = Mode::Server;
    run.provenance.server = Some(ServerProvenance {
        version: "15.18".into(),
        survey: Some(survey),
        ..ServerProvenance::default()
    });
    let series = |ns: u64| {
        let mut h = SeriesHistogram::default();
        (0..50).for_each(|_| h.record(ns));
        h
    };
    let quiet = run.blocks[0].series.clone();
    let key = |operation| SeriesKey::service(Role::Client, operation, Phase::Total);
    for block in &mut run.blocks {
        block.series = quiet.clone();
        if block.arm != Arm::Quiet {
            block.series.insert(key(Operation::Query), series(kept_ns));
        }
        if block.arm == Arm::Unpooled {
            block
                .series
                .insert(key(Operation::Connect), series(2_000_000));
        }
    }
    run
}

fn advise(run: &Run) -> (PoolingAnswer, Vec<Section>) {
    let analysis = analyse(run);
    let sections = advice(&analysis).unwrap();
    (analysis.pooling.unwrap().answer, sections)
}

fn answer(run: &Run) -> PoolingAnswer {
    advise(run).0
}

fn answer_to(advice: &[Section]) -> String {
    assert_eq!(advice[0].caption, "Should I pool?");
    advice[0].notes.join("\n")
}

fn text(advice: &[Section]) -> String {
    crate::report::section::terminal(advice)
}

const SHORT: u64 = 100_000;
const LONG: u64 = 100_000_000;

#[test]
fn each_rule_gives_its_answer() {
    let with = |others| Survey { others, ..survey() };
    for (kept_ns, survey, expected) in [
        (SHORT, with(nobody_counted()), PoolingAnswer::Yes),
        (SHORT, with(others(500)), PoolingAnswer::Yes),
        (SHORT, with(others(9)), PoolingAnswer::NotNow),
        (LONG, with(others(500)), PoolingAnswer::NoReasonShown),
        (LONG, with(nobody_counted()), PoolingAnswer::NoReasonShown),
    ] {
        let (answer, advice) = advise(&run(kept_ns, survey.clone()));
        assert_eq!(answer, expected, "{kept_ns} {survey:?}");
        assert!(answer_to(&advice).contains("**"));
    }
    // 2,000 standing connections and 100 new ones per second: 5 % at the high end.
    let mut crowded = survey();
    crowded.census = crowd(2_000);
    crowded.others = others(1_000);
    let (yes, advice) = advise(&run(LONG, crowded.clone()));
    assert_eq!(yes, PoolingAnswer::Yes);
    assert!(answer_to(&advice).contains("may be a part of it"));
    // On 13 the same is no matter of the lock.
    crowded.pg_major = 13;
    assert_eq!(answer(&run(LONG, crowded)), PoolingAnswer::NoReasonShown);
}

#[test]
fn a_given_rate_goes_before_the_counted_one() {
    let mut run = run(
        SHORT,
        Survey {
            others: others(0),
            ..survey()
        },
    );
    assert_eq!(answer(&run), PoolingAnswer::NotNow);
    run.config.server.as_mut().unwrap().own.their_rate = Some(5.0);
    let (yes, advice) = advise(&run);
    assert_eq!(yes, PoolingAnswer::Yes);
    assert!(text(&advice).contains("at 5.00 per second"));
    assert!(text(&advice).contains("at 50 per second"));
}

#[test]
fn a_pooler_is_said_first_and_nothing_is_claimed_about_the_server() {
    let pooled = Survey {
        between: Ok(Between::Pooler {
            mode: PoolMode::Transaction,
            evidence: "e".into(),
        }),
        ..survey()
    };
    let (answer, advice) = advise(&run(SHORT, pooled));
    assert_eq!(answer, PoolingAnswer::AlreadyPooled);
    assert!(answer_to(&advice).starts_with("**You already do**"));
    assert!(text(&advice).contains("`unpooled` therefore means connecting to the pooler"));
}

#[test]
fn what_a_pooler_saves_is_in_the_table() {
    let mut run = run(SHORT, survey());
    run.config.arms.push(Arm::Pgbouncer);
    let blocks = run.blocks.iter().filter(|b| b.arm == Arm::Unpooled);
    let mut through = blocks.cloned().collect::<Vec<_>>();
    for block in &mut through {
        block.arm = Arm::Pgbouncer;
        let key = SeriesKey::service(Role::Client, Operation::Connect, Phase::Total);
        let mut quick = SeriesHistogram::default();
        (0..50).for_each(|_| quick.record(500_000));
        block.series.insert(key, quick);
    }
    run.blocks.extend(through);
    let analysis = analyse(&run);
    let page = one_page(&analysis, &[]).unwrap();
    for row in [
        "| connecting to the server, p50 | 2.00 ms |",
        "| connecting to PgBouncer, p50 | 500 µs |",
        "| a transaction on a new connection to PgBouncer, p50 | 600 µs |",
        "| the pooler saves of that | 1.50 ms |",
    ] {
        assert!(page.contains(row), "{row} in {page}");
    }
    let screen = brief(&analysis).unwrap().terminal("the rest");
    assert!(screen.contains("the pooler saves"), "{screen}");
}

#[test]
fn without_the_two_arms_there_is_no_answer() {
    let mut run = run(SHORT, survey());
    run.blocks.retain(|b| b.arm != Arm::KeptOpen);
    assert!(matches!(answer(&run), PoolingAnswer::NoAnswer(_)));
    run.blocks.clear();
    assert!(matches!(answer(&run), PoolingAnswer::NoAnswer(_)));
}

#[test]
fn slower_statements_are_told_and_decide_nothing_and_no_difference_is_not_said_to_be_none() {
    let calm = run(LONG, survey());
    let text = text(&advise(&calm).1);
    assert!(text.contains("cannot tell") && text.contains("cannot show"));
    let mut slow = calm;
    for block in slow.blocks.iter_mut().filter(|b| b.arm == Arm::Unpooled) {
        for key in [SeriesKey::READER_RESPONSE, SeriesKey::READER_SERVICE] {
            let mut slower = SeriesHistogram::default();
            for (ns, n) in block.series[&key].buckets() {
                (0..n).for_each(|_| slower.record(3 * ns));
            }
            block.series.insert(key, slower);
        }
    }
    let (answer, advice) = advise(&slow);
    assert_eq!(answer, PoolingAnswer::NoReasonShown);
    assert!(answer_to(&advice).contains("became slower already"));
    // Nobody came: that decides, in either run.
    for run in [&mut slow, &mut run(SHORT, survey())] {
        let survey = run.provenance.server.as_mut().unwrap().survey.as_mut();
        survey.unwrap().others = others(0);
        let (answer, advice) = advise(run);
        assert_eq!(answer, PoolingAnswer::NotNow);
        let text = answer_to(&advice);
        assert!(
            text.contains("0.00 per second in these 10 s") && text.contains("--their-rate"),
            "{text}"
        );
    }
}

#[test]
fn a_claim_about_churn_needs_both_tests_and_a_quiet_check() {
    let mut run = run(SHORT, survey());
    let told = |run: &Run| brief(&analyse(run)).unwrap().answer.join(" ");
    let slower = |run: &mut Run, is_it: fn(&crate::record::Block) -> bool| {
        for block in run.blocks.iter_mut().filter(|b| is_it(b)) {
            for key in [SeriesKey::READER_RESPONSE, SeriesKey::READER_SERVICE] {
                let mut slower = SeriesHistogram::default();
                for (ns, n) in block.series[&key].buckets() {
                    (0..n).for_each(|_| slower.record(3 * ns));
                }
                block.series.insert(key, slower);
            }
        }
    };
    slower(&mut run, |b| b.arm == Arm::Unpooled);
    let text = told(&run);
    assert!(
        text.contains("running queries became slower") && text.contains(", p = 0.0"),
        "{text}"
    );
    slower(&mut run, |b| b.twin);
    let text = told(&run);
    assert!(
        text.contains("No conclusion about churn: the A/A check is in alarm"),
        "{text}"
    );
    let caution = brief(&analyse(&run)).unwrap().caution.unwrap();
    assert!(caution.contains("A/A check"), "{caution}");
    let pooling = analyse(&run).pooling.unwrap();
    assert!(!pooling.is_slower);
}

#[test]
fn other_programs_are_told_the_answer_in_keys_that_are_described() {
    let counted = Survey {
        others: others(500),
        ..survey()
    };
    let answer = for_programs(&analyse(&run(SHORT, counted))).unwrap();
    assert_eq!(answer["verdict"], "yes");
    let connect = answer["connect_ns"]["p50"].as_f64().unwrap();
    assert!((connect - 2e6).abs() < 1e4, "{connect}");
    assert_eq!(answer["users_connections_per_s"], 50.0);
    assert_eq!(answer["users_connections_are"], "counted");
    assert_eq!(answer["counted_over_s"], 10.0);
    assert!(
        answer["sentences"][0]
            .as_str()
            .unwrap()
            .starts_with("Yes, for")
    );
    let description = include_str!("../../../docs/analysis-schema.md");
    for key in answer.as_object().unwrap().keys() {
        assert!(description.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn only_a_server_that_was_looked_at_is_advised_about() {
    let mut run = run(SHORT, survey());
    let analysis = analyse(&run);
    let figures = ["excess".to_owned()];
    let details = details(&analysis, &figures).unwrap();
    let page = one_page(&analysis, &figures).unwrap();
    for text in [&details, &page] {
        assert!(text.starts_with("# PostgreSQL 15.18: should I pool?"));
        assert!(text.contains("(excess.png)"));
    }
    assert!(details.contains("## Should I pool?") && page.contains("(DETAILS.md)"));
    run.provenance.server.as_mut().unwrap().survey = None;
    let analysis = analyse(&run);
    assert!(super::details(&analysis, &[]).is_none() && one_page(&analysis, &[]).is_none());
    assert!(brief(&analysis).is_none());
}

#[test]
fn the_answer_fits_one_screen_and_one_page() {
    use crate::report::brief::{COLUMNS, LINES};
    let pooler = Between::Pooler {
        mode: PoolMode::Transaction,
        evidence: "two transactions of one connection had two backends".into(),
    };
    let mut crowded = survey();
    crowded.census = crowd(2_000);
    let partial = |run: &mut Run| {
        run.status = RunStatus::Partial {
            reason: "the server went away while it was being measured, after 7 of 96 blocks".into(),
        };
    };
    for between in [Between::Nothing, Between::Relay, pooler] {
        for others in [nobody_counted(), others(0), others(500), others(100_000)] {
            let survey = Survey {
                between: Ok(between.clone()),
                others,
                ..crowded.clone()
            };
            for (kept_ns, is_partial) in [(SHORT, false), (LONG, false), (SHORT, true)] {
                let mut run = run(kept_ns, survey.clone());
                if is_partial {
                    partial(&mut run);
                }
                let analysis = analyse(&run);
                let rest = "One page: results/20261127T021113Z-server-3f9c2a/SUMMARY.md; all of it: DETAILS.md there, or --details.";
                let brief = brief(&analysis).unwrap();
                let text = brief.terminal(rest);
                assert!(text.lines().count() <= LINES, "{text}");
                assert!(text.lines().all(|l| l.chars().count() <= COLUMNS), "{text}");
                assert!(text.contains("Should I pool?") && text.ends_with("--details.\n"));
                assert!(text.contains("A transaction takes") && text.contains("connecting, p50"));
                assert_eq!(text.contains("the run is partial"), is_partial, "{text}");
                assert!(!text.contains("fresh start"), "{text}");
                let page = one_page(&analysis, &["excess".to_owned()]).unwrap();
                let page = crate::report::markdown::wrapped(&page);
                assert!(page.lines().count() <= 60, "{page}");
            }
        }
    }
}

#[test]
fn what_could_not_be_seen_is_said_with_its_reason_and_the_answer_is_given_all_the_same() {
    let nothing = Survey::unknown(15, "ERROR: SQLSTATE 42501: permission denied");
    let (answer, sections) = advise(&run(SHORT, nothing.clone()));
    assert_eq!(answer, PoolingAnswer::Yes);
    let text = text(&sections);
    // Whether a standby, who, settings, what in between, the lock.
    assert_eq!(text.matches("permission denied").count(), 5, "{text}");
    let analysis = analyse(&run(SHORT, nothing));
    let screen = brief(&analysis).unwrap().terminal("the rest");
    assert!(screen.contains("not known"), "{screen}");
    // Holds without the rate, and the rate without holds.
    let uncounted = Survey {
        others: Err("the server's counters went back".into()),
        ..survey()
    };
    let told = self::text(&advise(&run(SHORT, uncounted)).1);
    assert!(
        told.contains("is not known: the server's counters went back."),
        "{told}"
    );
    let unseen = Survey {
        census: Err("REVOKEd".into()),
        others: others(500),
        ..survey()
    };
    let (answer, told) = advise(&run(SHORT, unseen));
    assert_eq!(answer, PoolingAnswer::Yes);
    assert!(
        self::text(&told).contains("Not known: it depends on how many are connected (REVOKEd)")
    );
}
