//! `users import` and `users export`: JSON lines, one user per line, including hashes.

mod export;
mod import;
mod line;

use crate::config::UsersAction;

pub async fn run(action: UsersAction) -> anyhow::Result<()> {
    match action {
        UsersAction::Import(args) => import::run(&args).await,
        UsersAction::Export(args) => export::run(&args).await,
    }
}
