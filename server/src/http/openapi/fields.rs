//! The fields of bodies, described. Their limits are those that the server enforces.

use utoipa::openapi::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

use crate::account::{self, Rule};

fn text(description: &str, example: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).examples([example])
}

fn with_rule(text: ObjectBuilder, rule: Rule) -> ObjectBuilder {
    text.min_length((rule.min > 0).then_some(rule.min)).max_length(Some(rule.max))
}

fn password(description: &str, max: usize) -> Schema {
    let text = text(description, "correct horse battery staple").max_length(Some(max));
    text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Password))).build().into()
}

pub fn username() -> Schema {
    with_rule(text("The user name, unique regardless of case.", "alice"), account::USERNAME).build().into()
}

pub fn submitted_username() -> Schema {
    with_rule(text("The user name.", "alice"), account::CREDENTIAL).build().into()
}

pub fn name() -> Schema {
    with_rule(text("The full name.", "Alice Smith"), account::NAME).build().into()
}

pub fn email() -> Schema {
    let text = text("The e-mail address, unique regardless of case.", "alice@example.com");
    let format = Some(SchemaFormat::KnownFormat(KnownFormat::Email));
    with_rule(text, account::EMAIL).format(format).build().into()
}

pub fn new_password() -> Schema {
    password("A password that meets the rules for new passwords.", account::PASSWORD_MAX)
}

pub fn reset_password() -> Schema {
    password("A new password, which ends all of the user's sessions.", account::PASSWORD_MAX)
}

pub fn present_password() -> Schema {
    password("The present password.", account::RAW_PASSWORD_MAX)
}

pub fn user_uuid() -> Schema {
    text("The uuid of the user.", "0123456789abcdef0123456789abcdef").build().into()
}
