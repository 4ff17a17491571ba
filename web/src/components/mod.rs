//! What views are made of. Components read signals and call the client; none holds a state that outlives it.

pub mod banner;
pub mod bars;
pub mod compare;
pub mod dashboard;
pub mod drop_zone;
pub mod file_table;
pub mod gauge;
pub mod help;
pub mod icon;
pub mod limits;
pub mod link_form;
pub mod login;
pub mod object_head;
pub mod peer_table;
pub mod piece_field;
pub mod qr;
pub mod rate_chart;
pub mod share_link;
pub mod status_line;
pub mod toast;
pub mod tracker_list;
pub mod transfer_field;
pub mod transfer_frame;
pub mod watch;
pub mod web_seed_list;
