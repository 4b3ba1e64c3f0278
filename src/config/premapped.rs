//! Where the arms whose children map the PGPROC array before they join have something to map.

use anyhow::bail;

use super::Config;
use crate::arm::{Arm, Mode};
use crate::factor::{Factors, PgSource};
use crate::procarray::{MappingKind, PageSize, PgProfile};

impl Config {
    /// Why an arm is left out at a level, and what to do about it; none where it runs. `major` is the version
    /// there, as far as it is known.
    pub fn leaves_out(&self, arm: Arm, level: &Factors, major: Option<u32>) -> Option<String> {
        arm.premapping()?;
        if level.page_size == Some(PageSize::Huge) {
            return Some("2 MB pages leave next to nothing to map: use 4k".to_owned());
        }
        if self.mode == Mode::Model && level.mapping.unwrap_or_default() != MappingKind::Forked {
            let reason = "only forked children have pages to map: give --mapping forked";
            return Some(reason.to_owned());
        }
        let major = major?;
        match PgProfile::of_major(major) {
            None => Some(format!(
                "the size of a PGPROC is not known for PostgreSQL {major}"
            )),
            Some(PgProfile::V13) if !self.arms_by_name => Some(
                "PostgreSQL 13 has nothing to map, as ProcArrayAdd stores into no other PGPROC: name the arm in --arms to run it there as a placebo".to_owned(),
            ),
            Some(_) => None,
        }
    }

    /// As [`Config::leaves_out`], by what the request alone says of the version.
    fn leaves_out_for_certain(&self, arm: Arm, level: &Factors) -> Option<String> {
        let major = match level.pg {
            Some(PgSource::Major(major)) => Some(major),
            _ => None,
        };
        self.leaves_out(arm, level, major)
    }

    /// Refuses an arm that was asked for by name and that no level has.
    pub(super) fn check_premapped(&self) -> anyhow::Result<()> {
        let levels = self.levels();
        for &arm in self.arms.iter().filter(|_| self.arms_by_name) {
            let reasons: Option<Vec<String>> = levels
                .iter()
                .map(|level| self.leaves_out_for_certain(arm, level))
                .collect();
            if let Some(reason) = reasons.and_then(|reasons| reasons.into_iter().next()) {
                bail!("arm '{arm}' makes no sense here: {reason}");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{self, Scale};

    fn config(mode: Mode, by_name: bool) -> Config {
        let churn_tail = experiment::find("churn-tail").unwrap();
        Config {
            arms: vec![Arm::Quiet, Arm::Premapped],
            arms_by_name: by_name,
            ..churn_tail.config(mode, Scale::Quick)
        }
    }

    #[test]
    fn they_are_left_out_where_there_is_nothing_to_map() {
        let (by_default, by_name) = (config(Mode::Server, false), config(Mode::Server, true));
        let small = Factors::standing(10);
        let huge = Factors {
            page_size: Some(PageSize::Huge),
            ..small.clone()
        };
        for arm in [Arm::Premapped, Arm::PremappedFew] {
            let reason = |config: &Config, level, major| config.leaves_out(arm, level, major);
            for major in [14, 15, 16, 17, 18] {
                assert_eq!(reason(&by_default, &small, Some(major)), None);
                assert!(reason(&by_name, &huge, Some(major)).is_some());
            }
            // On 13 it is the placebo.
            let of_13 = reason(&by_default, &small, Some(13)).unwrap();
            assert!(of_13.contains("name the arm in --arms"), "{of_13}");
            assert_eq!(reason(&by_name, &small, Some(13)), None);
            let unknown = reason(&by_name, &small, Some(19)).unwrap();
            assert!(unknown.ends_with("PostgreSQL 19"), "{unknown}");
        }
        assert_eq!(by_default.leaves_out(Arm::Unpooled, &huge, Some(13)), None);
    }

    #[test]
    fn by_name_they_are_refused_where_no_level_has_them() {
        let mut config = config(Mode::Model, true);
        config.factors.mapping = vec![MappingKind::Shared, MappingKind::Fresh];
        let refusal = config.validate().unwrap_err().to_string();
        assert!(refusal.contains("arm 'premapped'") && refusal.contains("--mapping forked"));
        config.arms_by_name = false;
        assert!(config.validate().is_ok());
        config.arms_by_name = true;
        config.factors.mapping.push(MappingKind::Forked);
        assert!(config.validate().is_ok());
        config.factors.page_size = vec![PageSize::Huge];
        assert!(config.validate().is_err());
    }
}
