//! Words of accounts.

use crate::net::api::Refused;

pub const ACCOUNT: &str = "Account";
pub const LOG_IN: &str = "Log in";
pub const LOG_OUT: &str = "Log out";
pub const REGISTER: &str = "Make an account";
pub const NAME: &str = "Name";
pub const PASSWORD: &str = "Password";
pub const PASSWORD_HINT: &str = "At least 10 characters. A sentence is good.";
pub const INVITATION: &str = "Invitation";
pub const INVITATION_HINT: &str = "The code that an admin gave you.";
pub const PRIVATE_TITLE: &str = "This tracker is private";
pub const PRIVATE_NEXT: &str = "Log in, and what you were doing goes on. Nothing on this page is lost.";
pub const HAVE_INVITATION: &str = "Invited? Make an account";
pub const NO_ACCOUNT: &str = "No account? Make one";
pub const HAVE_ACCOUNT: &str = "Have an account? Log in";
pub const CLOSED: &str = "New accounts are made by the people who run this tracker. Ask them for one.";
pub const FIRST: &str =
    "There is no account yet. The tracker printed a link at its start that makes the first one, an admin's.";
pub const NO_ACCOUNTS: &str = "This tracker has no accounts: everybody who reaches it may use it.";
pub const CLEAR: &str =
    "This connection is not encrypted: whoever is on the network between can read your password.";
pub const CLEAR_LINK: &str = "Use the encrypted address instead";
pub const CLEAR_ANYWAY: &str = "I know, and log in here anyway";
pub const YOUR_ACCOUNT: &str = "Your account";
pub const ROLE_ADMIN: &str = "Admin";
pub const ROLE_MEMBER: &str = "Member";
pub const ANNOUNCE_URLS: &str = "Your announce URLs";
pub const ANNOUNCE_NOTE: &str = "For other BitTorrent programs. They hold your passkey: whoever has one announces as you. Links that you share from this page never hold it.";
pub const SHOW: &str = "Show";
pub const HIDE: &str = "Hide";
pub const RENEW: &str = "Renew passkey";
pub const RENEWED: &str = "The old passkey holds no longer. Put the new URLs into your other programs.";
pub const URL_COPIED: &str = "Announce URL copied. It holds your passkey.";
pub const CHANGE_PASSWORD: &str = "Change password";
pub const CURRENT_PASSWORD: &str = "Current password";
pub const NEW_PASSWORD: &str = "New password";
pub const PASSWORD_CHANGED: &str = "Password changed. You are logged out everywhere else.";
pub const LOGGED_IN: &str = "Logged in.";
pub const LOGGED_OUT: &str = "Logged out.";

// What admins see
pub const ACCOUNTS: &str = "Accounts";
pub const GROUPS: &str = "Groups";
pub const GROUPS_HINT: &str = "separated by commas";
pub const ROLE: &str = "Role";
pub const UP: &str = "Up";
pub const DOWN: &str = "Down";
pub const STATE: &str = "State";
pub const ENABLED: &str = "enabled";
pub const DISABLED: &str = "disabled";
pub const DISABLE: &str = "Disable";
pub const ENABLE: &str = "Enable";
pub const RESET: &str = "Reset password";
pub const ADD: &str = "Add";
pub const ADD_ACCOUNT: &str = "Add an account";
pub const ADD_NOTE: &str = "Its password is made here and shown once: hand it over, they change it.";
pub const INVITE: &str = "Make an invitation";
pub const INVITE_NOTE: &str = "A link that makes one account within seven days.";
pub const INVITE_COPIED: &str = "Invitation copied.";
pub const PASSWORD_COPIED: &str = "Password copied.";
pub const TORRENTS: &str = "Registered torrents";
pub const TORRENTS_NOTE: &str =
    "A torrent that is registered for some only is refused to everybody else, and so is its file.";
pub const NO_TORRENTS: &str = "None is registered.";
pub const TORRENT: &str = "Link or info-hash";
pub const TITLE: &str = "Title";
pub const FOR: &str = "For";
pub const EVERYONE: &str = "everyone";
pub const ONLY: &str = "only these";
pub const ACCOUNT_NAMES: &str = "Accounts, separated by commas";
pub const GROUP_NAMES: &str = "Groups, separated by commas";
pub const REGISTER_TORRENT: &str = "Register";
pub const UNREGISTER: &str = "Remove";
pub const NO_HASH: &str = "This is no link and no info-hash of 40 characters.";
pub const DONE: &str = "Done.";

/// Why the server did not do it, for a person. `left` is what remains of the time to wait.
pub fn refused(refused: &Refused, left: u64) -> String {
    match refused.code.as_str() {
        "wrong_credentials" => "Name or password is wrong.".to_owned(),
        "locked" if left > 0 => ["Too many attempts. Try again in ", &left.to_string(), " s."].concat(),
        "locked" => "You can try again now.".to_owned(),
        "registration_closed" => CLOSED.to_owned(),
        "invitation_invalid" => {
            "This invitation was used, has expired, or was copied incompletely.".to_owned()
        }
        "name_taken" => "Somebody has this name already. Choose another.".to_owned(),
        "account_disabled" => "This account is disabled. Ask the people who run this tracker.".to_owned(),
        "last_admin" => "This is the last admin. Make somebody else an admin first.".to_owned(),
        "account_unknown" => "There is no account of that name.".to_owned(),
        "busy" => "Many people log in at this moment. Try again in a few seconds.".to_owned(),
        "unreachable" => "The server can't be reached. Try again in a moment.".to_owned(),
        _ => {
            let mut words = refused.message.clone();
            if let Some(first) = words.get(..1).map(str::to_uppercase) {
                words.replace_range(..1, &first);
            }
            [&words, "."].concat()
        }
    }
}

/// The password of an account, to be handed over.
pub fn password_of(name: &str) -> String {
    ["Password of ", name, ", shown once:"].concat()
}
