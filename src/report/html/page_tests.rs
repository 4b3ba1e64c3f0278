//! What holds of every page.

use std::collections::BTreeSet;

use super::page::{Group, of_chapter, of_groups};
use crate::arm::Mode;
use crate::experiment::analyse;
use crate::record::{Run, RunStatus};
use crate::report::drawings;
use crate::stats::{Analysis, argument};
use crate::testing::{connecting_run, sample_run, sample_run_with_versions};

/// A small chapter: `churn-tail` in both modes, the model first, and `anatomy`.
fn chapter() -> Vec<Analysis> {
    let model = sample_run(12);
    let mut server = sample_run_with_versions(&["13", "15", "18"]);
    server.mode = Mode::Server;
    let runs = [connecting_run(), model, server];
    runs.iter().map(analyse).collect()
}

fn page_of(runs: &[Analysis]) -> String {
    of_chapter(&runs.iter().collect::<Vec<_>>()).unwrap()
}

/// The page of one run.
fn alone(run: &Run) -> String {
    let analysis = analyse(run);
    let group = Group {
        dir: String::new(),
        runs: vec![&analysis],
    };
    of_groups(vec![group]).unwrap()
}

/// Values of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let parts = page.split(attribute).skip(1);
    parts.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn a_chapter_s_page_has_every_claim_experiment_and_figure() {
    let runs = chapter();
    let page = page_of(&runs);
    let claims = page.matches("<th role=\"rowheader\"").count();
    assert_eq!(claims, argument(&[]).len());
    let claim = page.find("Churn paralyses every query.").unwrap();
    assert!(claim < page.find("<h2 id=\"answer\">").unwrap());
    for name in ["churn-tail", "anatomy"] {
        for part in [
            format!("<a href=\"#{name}\">{name}</a>"),
            format!("<h2 id=\"{name}\">{name}</h2>"),
        ] {
            assert!(page.contains(&part), "{part}");
        }
    }
    let churn = [&runs[2], &runs[1]];
    let figures = drawings::of_experiment(&churn).len();
    let figures = figures + drawings::of_experiment(&[&runs[0]]).len();
    assert!(figures > 4);
    assert_eq!(page.matches("<figure ").count(), figures);
    assert_eq!(page.matches("<svg role=\"img\"").count(), figures);
    assert!(page.contains("<a href=\"#churn-tail-server-response-time\">"));
}

#[test]
fn nothing_is_fetched_and_every_link_leads_somewhere() {
    let page = page_of(&chapter());
    for outside in [
        "http:",
        "https:",
        " src=",
        "url(",
        "@import",
        "<link rel=\"style",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    let ids = values(&page, " id=\"");
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "{ids:?}");
    for link in values(&page, " href=\"")
        .into_iter()
        .filter(|l| *l != "data:,")
    {
        let id = link.strip_prefix('#').unwrap();
        assert!(unique.contains(id), "{link}");
    }
    for named in values(&page, " aria-labelledby=\"") {
        assert!(unique.contains(named), "{named}");
    }
}

#[test]
fn every_mark_of_a_figure_has_its_row() {
    let page = page_of(&chapter());
    for figure in page.split("<figure ").skip(1) {
        let figure = figure.split("</figure>").next().unwrap();
        let places = values(figure, " data-told=\"")[0].split(' ').count();
        let (_, table) = figure.split_once("<tbody>").unwrap();
        assert_eq!(table.matches("<tr>").count(), places, "{figure}");
    }
}

#[test]
fn what_a_run_says_is_text_and_no_markup() {
    let mut run = sample_run(12);
    run.status = RunStatus::Partial {
        reason: "</main><script>alert(\"x\")</script>".to_owned(),
    };
    let page = alone(&run);
    assert!(!page.contains("alert(\""), "taken as markup");
    assert!(page.contains("&#60;/main&#62;&#60;script&#62;alert("));
}

#[test]
fn equal_runs_give_equal_bytes_in_any_order() {
    let mut runs = chapter();
    let page = page_of(&runs);
    runs.reverse();
    assert_eq!(page_of(&runs), page);
}

#[test]
fn one_experiment_and_no_run_have_a_page_too() {
    let page = alone(&connecting_run());
    assert!(page.contains("<h1>anatomy</h1>") && page.contains("<h2 id=\"anatomy\">"));
    assert!(!page.contains("class=\"claims\"") && !page.contains("class=\"contents\""));
    let nothing = page_of(&[]);
    assert_eq!(nothing.matches("not in this run</b>").count(), 4);
}
