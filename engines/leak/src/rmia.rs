//! RMIA: asks whether a model gives a row more, against what the world gives it, than it gives other people's rows (T2; Zarifzadeh,
//! Liu and Shokri, "Low-Cost High-Power Membership Inference Attacks", ICML 2024).

use crate::attacks::Settings;
use crate::panel::Panel;

/// Least mean confidence of the world in a row.
const WORLD_MIN: f64 = 1e-6;

/// How the world's confidence in a row is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum World {
    /// From models that hold the row and models that do not, half each.
    Online,
    /// From a few that do not hold it ([`Settings::references`]): these can be trained before anybody is attacked.
    Offline,
}

/// For each row: the share of people known not to be members (of the population, equation 3) whom the row beats by `gamma`.
pub(crate) fn signals(panel: &Panel, target: usize, world: World, settings: &Settings) -> Vec<f64> {
    let trained = panel.trained(target);
    let ratio: Vec<f64> =
        (0..panel.rows()).map(|row| panel.confidence(target, row) / mean(panel, target, row, world, settings)).collect();
    let mut others: Vec<f64> =
        ratio.iter().zip(trained).filter(|(_, trained)| !**trained).map(|(ratio, _)| ratio * settings.gamma).collect();
    others.sort_unstable_by(f64::total_cmp);
    let all = others.len().max(1) as f64;
    ratio.iter().map(|&ratio| others.partition_point(|&other| other <= ratio) as f64 / all).collect()
}

/// The world's mean confidence in a row, from models other than the target.
fn mean(panel: &Panel, target: usize, row: usize, world: World, settings: &Settings) -> f64 {
    let models = panel.models();
    // From the one after the target, so that targets do not share their few references.
    let others = || (1..models).map(|step| (target + step) % models);
    let of = |wanted: bool, most: usize| {
        let (mut sum, mut count) = (0.0, 0.0);
        for model in others().filter(|&model| panel.trained(model)[row] == wanted).take(most) {
            sum += panel.confidence(model, row);
            count += 1.0;
        }
        (count > 0.0).then_some(sum / count)
    };
    let known = match world {
        World::Online => match (of(true, models), of(false, models)) {
            (Some(inside), Some(outside)) => Some(f64::midpoint(inside, outside)),
            (one, other) => one.or(other),
        },
        // Models that hold a row are surer of it: equation 10 and appendix B.2.2 of the paper.
        World::Offline => of(false, settings.references).map(|outside| {
            let a = settings.offline_slope;
            f64::midpoint((1.0 + a) * outside, 1.0 - a)
        }),
    };
    known.unwrap_or(panel.confidence(target, row)).max(WORLD_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_only_the_target_is_sure_of_stands_out() {
        // 3 models, 3 rows; row 0 is held by the target (model 2) alone, and it alone is sure.
        let scores = vec![0.5, 0.7, 0.7, 0.5, 0.7, 0.7, 0.9, 0.7, 0.7];
        let trained = vec![false, true, false, false, false, true, true, false, false];
        let panel = Panel::new(scores, trained, vec![true; 3]).unwrap();
        for world in [World::Online, World::Offline] {
            let found = signals(&panel, 2, world, &Settings::default());
            assert!(found[0] == 1.0 && found[1] <= 1.0 && found.iter().all(|signal| (0.0..=1.0).contains(signal)), "{found:?}");
        }
        let strict = Settings { gamma: 100.0, ..Settings::default() };
        assert_eq!(signals(&panel, 2, World::Online, &strict), [0.0; 3]);
    }
}
