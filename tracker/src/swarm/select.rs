//! Which members of a swarm are introduced to an announcer.

use shared::rng::Rng;

use super::neighbours;
use super::recency::Slot;

/// Draws beyond the wanted number before the choice is given up: members that are refused (the announcer itself, and
/// whoever uses its peer_id) are few, unless somebody fills the swarm with them to make the choice slow.
const REFUSALS_MAX: usize = 64;

/// Up to `count` members of `first` and `second` together, uniform and without repetition, among those that `accept`
/// takes. Costs what is picked, not what is there.
pub(super) fn pick(
    rng: &mut Rng,
    first: &[Slot],
    second: &[Slot],
    count: usize,
    accept: impl Fn(Slot) -> bool,
) -> Vec<Slot> {
    let total = first.len() + second.len();
    let draws = total.min(count.saturating_add(REFUSALS_MAX));
    let mut picked = Vec::with_capacity(count.min(total));
    // The first `draws` steps of a Fisher-Yates shuffle of 0..total, of which only the moved places are stored.
    let mut moved: Vec<(usize, usize)> = Vec::new();
    let place = |moved: &[(usize, usize)], at: usize| {
        moved.iter().rev().find(|(from, _)| *from == at).map_or(at, |(_, to)| *to)
    };
    for draw in 0..draws {
        if picked.len() == count {
            break;
        }
        let at = draw + rng.below((total - draw) as u64) as usize;
        let chosen = place(&moved, at);
        let displaced = place(&moved, draw);
        moved.push((at, displaced));
        let slot = first.get(chosen).or_else(|| second.get(chosen - first.len()));
        picked.extend(slot.copied().filter(|slot| accept(*slot)));
    }
    picked
}

/// The same, those `near` before all others.
pub(super) fn pick_near_first(
    rng: &mut Rng,
    near: Option<(&[Slot], &[Slot])>,
    (first, second): (&[Slot], &[Slot]),
    count: usize,
    accept: impl Fn(Slot) -> bool,
) -> Vec<Slot> {
    let Some(near) = near else { return pick(rng, first, second, count, accept) };
    let most = neighbours::most(rng, count);
    let mut picked = pick(rng, near.0, near.1, most, &accept);
    let others =
        pick(rng, first, second, count - picked.len(), |slot| accept(slot) && !picked.contains(&slot));
    picked.extend(others);
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_acceptable_is_picked_once_when_there_are_few() {
        let mut rng = Rng::from_seed([3; 32]);
        for _ in 0..100 {
            let mut picked = pick(&mut rng, &[0, 1, 2], &[3, 4], 10, |slot| slot != 3);
            picked.sort_unstable();
            assert_eq!(picked, [0, 1, 2, 4]);
        }
        assert!(pick(&mut rng, &[], &[], 5, |_| true).is_empty());
        assert!(pick(&mut rng, &[1], &[2], 0, |_| true).is_empty());
    }

    #[test]
    fn the_choice_is_uniform() {
        let mut rng = Rng::from_seed([5; 32]);
        let (first, second): (Vec<Slot>, Vec<Slot>) = ((0..7).collect(), (7..20).collect());
        let mut times = [0_u32; 20];
        for _ in 0..20_000 {
            let picked = pick(&mut rng, &first, &second, 5, |slot| slot != 4);
            assert_eq!(picked.len(), 5);
            for slot in picked {
                times[slot as usize] += 1;
            }
        }
        assert_eq!(times[4], 0);
        // 19 acceptable members share 100 000 picks: 5263 each, standard deviation about 62.
        for (slot, times) in times.into_iter().enumerate().filter(|(slot, _)| *slot != 4) {
            assert!((4_900..5_650).contains(&times), "member {slot} was picked {times} times");
        }
    }

    #[test]
    fn a_swarm_full_of_refused_members_does_not_make_the_choice_slow() {
        let mut rng = Rng::from_seed([8; 32]);
        let all: Vec<Slot> = (0..100_000).collect();
        let asked = core::cell::Cell::new(0);
        let picked = pick(&mut rng, &all, &[], 5, |_| {
            asked.set(asked.get() + 1);
            false
        });
        assert!(picked.is_empty());
        assert!(asked.get() <= 5 + REFUSALS_MAX);
    }
}
