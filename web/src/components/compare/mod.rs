//! What the Compare view is made of.

pub mod curves;
pub mod guide;
pub mod results;
pub mod setup;

use leptos::prelude::*;

use crate::compare::model::Lane;
use crate::text::compare as text;

/// Letter and name of a way, in its colour.
#[component]
fn LaneBadge(lane: Lane) -> impl IntoView {
    view! {
        <span class=["badge lane ", lane.name()].concat()><b aria-hidden="true">{text::letter(lane)}</b>{text::lane(lane)}</span>
    }
}
