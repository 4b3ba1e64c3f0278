use std::sync::mpsc::channel;

use super::*;
use crate::arm::Arm;
use crate::factor::Factors;
use crate::load::plan::BlockSpec;
use crate::testing::sample_block;

/// Steps of three seconds each; notes what it was asked.
#[derive(Default)]
struct Made {
    steps: Vec<usize>,
    measured: Vec<(usize, u32)>,
    changes: Vec<Command>,
    slow_over_ns: Option<u64>,
    lost: Option<(usize, Failure)>,
}

impl Source for Made {
    fn steps(&self) -> Vec<usize> {
        self.steps.clone()
    }

    fn seconds(&self, _: usize) -> Option<u32> {
        Some(3)
    }

    fn second(&mut self, step: usize, second: u32) -> Result<Option<Block>, Failure> {
        if let Some((at, failure)) = &self.lost
            && *at == step
        {
            return Err(failure.clone());
        }
        if second == 3 {
            return Ok(None);
        }
        self.measured.push((step, second));
        let spec = BlockSpec {
            index: 0,
            arm: Arm::KeptOpen,
            twin: false,
            factors: Factors::standing(0),
            round: second,
            start: 0,
        };
        Ok(Some(sample_block(&spec, 1)))
    }

    fn change(&mut self, _: usize, command: Command) -> Result<String, String> {
        self.changes.push(command);
        Err("no".to_owned())
    }

    fn set_slow_over(&mut self, slow_over_ns: u64) {
        self.slow_over_ns = Some(slow_over_ns);
    }

    fn open_connections(&self, _: &Block) -> u32 {
        9
    }

    fn cores(&self) -> usize {
        2
    }
}

/// Goes through `made` with these commands waiting; what was told, and how it ended.
fn gone_through(made: &mut Made, asked: &[Command]) -> (Vec<Event>, Result<(), Failure>) {
    let (asks, commands) = channel();
    let (tells, events) = channel();
    asked.iter().for_each(|c| asks.send(*c).unwrap());
    let outcome = conduct(made, &commands, &tells, (&Cancel::default(), false));
    drop(tells);
    (events.iter().collect(), outcome)
}

fn made() -> Made {
    Made {
        steps: vec![0, 2, 4],
        ..Made::default()
    }
}

#[test]
fn every_second_of_every_step_is_shown_beside_the_calm_of_the_first() {
    let mut made = made();
    let (events, outcome) = gone_through(&mut made, &[]);
    assert_eq!(outcome, Ok(()));
    assert_eq!(made.measured.len(), 9);
    // The p99 of 1,500 statements from 1,000 ns in steps of 1 ns.
    let threshold = made.slow_over_ns.unwrap();
    assert!((1_490..1_497).contains(&threshold), "{threshold}");
    let mut step = None;
    let mut seconds = 0;
    for event in events {
        match event {
            Event::Step(number, Some(3)) => (step, seconds) = (Some(number), 0),
            Event::Second(second) => {
                seconds += 1;
                assert_eq!(second.step.statements, 500 * seconds);
                assert_eq!(second.now.statements, 500);
                assert_eq!(second.calm.is_some(), step != Some(0));
                assert_eq!(second.now.slow_share.is_some(), step != Some(0));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn keys_lead_to_steps_and_changes_and_a_pause_ends() {
    let mut made = made();
    let asked = [
        Command::Next,
        Command::Faster,
        Command::Pause,
        Command::Pause,
        Command::Back,
        Command::Next,
        Command::Next,
        Command::Next,
        Command::Next,
    ];
    let (events, outcome) = gone_through(&mut made, &asked);
    assert_eq!(outcome, Ok(()));
    assert_eq!(made.changes, [Command::Faster]);
    let steps: Vec<usize> = events
        .iter()
        .filter_map(|e| match e {
            Event::Step(step, _) => Some(*step),
            _ => None,
        })
        .collect();
    assert_eq!(steps, [0, 2, 0, 2, 4]);
    let pauses = events
        .iter()
        .filter(|e| matches!(e, Event::Paused(_)))
        .count();
    assert_eq!(pauses, 2);
    assert!(events.contains(&Event::Said("no".to_owned())));
    assert!(made.measured.is_empty());
}

#[test]
fn a_lost_arm_ends_its_step_and_a_lost_server_everything() {
    let mut made = made();
    made.lost = Some((2, Failure::ArmLost("gone".to_owned())));
    let (events, outcome) = gone_through(&mut made, &[]);
    assert_eq!((outcome, made.measured.len()), (Ok(()), 6));
    assert!(
        events
            .iter()
            .any(|e| matches!(e, Event::Said(s) if s.ends_with("gone")))
    );
    made.lost = Some((2, Failure::StartLost("dead".to_owned())));
    let (_, outcome) = gone_through(&mut made, &[]);
    assert_eq!(outcome, Err(Failure::StartLost("dead".to_owned())));
}

#[test]
fn a_request_to_stop_ends_it() {
    let (_asks, commands) = channel();
    let (tells, _events) = channel();
    let cancel = Cancel::default();
    cancel.cancel();
    let outcome = conduct(&mut made(), &commands, &tells, (&cancel, false));
    assert_eq!(outcome, Err(Failure::Interrupted));
}

#[test]
fn one_that_waits_goes_on_by_a_key() {
    let (asks, commands) = channel();
    let (tells, events) = channel();
    let cancel = Cancel::default();
    let cancel = &cancel;
    std::thread::scope(|scope| {
        let conducted =
            scope.spawn(move || conduct(&mut made(), &commands, &tells, (cancel, true)));
        let (mut steps, mut seconds) = (Vec::new(), 0);
        for event in events.iter() {
            match event {
                Event::Step(step, _) => steps.push(step),
                Event::Second(_) => seconds += 1,
                Event::Paused(true) => {
                    assert_eq!(seconds, 3 * steps.len());
                    let key = [Command::Next, Command::Pause][steps.len() % 2];
                    asks.send(key).unwrap();
                }
                _ => {}
            }
        }
        assert_eq!(conducted.join().unwrap(), Ok(()));
        assert_eq!(steps, [0, 2, 4]);
    });
}
