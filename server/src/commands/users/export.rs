//! `users export`: writes the users to a file, as a backup or for another service.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;

use super::line::Line;
use crate::commands::open;
use crate::config::UsersArgs;
use crate::files::create_private;
use crate::store::Store;
use crate::terminal::tell;

const PAGE: u64 = 1_000;
/// The most ids of skipped rows to print.
const NAMED: usize = 20;

pub async fn run(args: &UsersArgs) -> anyhow::Result<()> {
    let store = open::migrated(&args.database, &args.deployment).await?;
    let Exported { count, left_out } = if args.file.as_os_str() == "-" {
        write(&store, &mut std::io::stdout().lock()).await?
    } else {
        to_file(&store, &args.file).await?
    };
    store.close().await;
    tell(format_args!("{count} users exported."));
    if !left_out.is_empty() {
        let shown: Vec<_> = left_out.iter().take(NAMED).map(i32::to_string).collect();
        tell(format_args!(
            "{} rows without a user name or a password were skipped; their ids: {}{}",
            left_out.len(),
            shown.join(", "),
            if left_out.len() > NAMED { ", …" } else { "" }
        ));
    }
    Ok(())
}

/// The number of users that were written, and the ids of skipped rows.
#[derive(Default)]
struct Exported {
    count: u64,
    left_out: Vec<i32>,
}

async fn to_file(store: &Store, path: &Path) -> anyhow::Result<Exported> {
    let mut file = BufWriter::new(create_private(path).with_context(|| format!("creating {}", path.display()))?);
    let exported = write(store, &mut file).await?;
    file.into_inner()?.sync_all()?;
    Ok(exported)
}

async fn write(store: &Store, target: &mut impl Write) -> anyhow::Result<Exported> {
    let (mut after, mut exported) = (0, Exported::default());
    loop {
        let page = store.export(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(exported) };
        after = last.user.id;
        let mut groups = store.groups_of_users(page.iter().map(|user| user.user.id)).await?;
        for user in page {
            let id = user.user.id;
            let Some(line) = Line::of(user, groups.remove(&id).unwrap_or_default()) else {
                exported.left_out.push(id);
                continue;
            };
            serde_json::to_writer(&mut *target, &line)?;
            target.write_all(b"\n")?;
            exported.count += 1;
        }
        if exported.count % 100_000 < PAGE {
            tell(format_args!("{} users so far", exported.count));
        }
    }
}
