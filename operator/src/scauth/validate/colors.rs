//! The accent colours that the API server's approximation lets pass.

use sc_auth_contract::contrast::{self, Theme};

use crate::api::{AccentColor, ScAuthSpec};
use crate::shared::reasons::Reason;
use crate::shared::refusal::Refusal;

/// # Errors
/// The first colour with which the server would not start.
pub fn check(spec: &ScAuthSpec) -> Result<(), Refusal> {
    let Some(AccentColor { light, dark }) = spec.login.as_ref().and_then(|login| login.accent_color.as_ref()) else {
        return Ok(());
    };
    for (field, color, theme) in [("light", light, Theme::Light), ("dark", dark, Theme::Dark)] {
        let Some(color) = color else { continue };
        contrast::check(color, theme).map_err(|problem| Refusal {
            reason: Reason::Invalid,
            message: format!("spec.login.accentColor.{field} is {color}: {problem}"),
            is_final: true,
        })?;
    }
    Ok(())
}
