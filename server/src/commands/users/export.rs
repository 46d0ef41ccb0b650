//! `users export`: for a backup, or another service.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;

use super::line::Line;
use crate::config::UsersArgs;
use crate::files::create_private;
use crate::store::Store;
use crate::terminal::tell;

const PAGE: u64 = 1_000;

pub async fn run(args: &UsersArgs) -> anyhow::Result<()> {
    let store = super::super::connect(&args.database).await?;
    store.migrate().await?;
    let count = if args.file.as_os_str() == "-" {
        write(&store, &mut std::io::stdout().lock()).await?
    } else {
        to_file(&store, &args.file).await?
    };
    store.close().await;
    tell(format_args!("{count} users exported."));
    Ok(())
}

async fn to_file(store: &Store, path: &Path) -> anyhow::Result<u64> {
    let mut file = BufWriter::new(create_private(path).with_context(|| format!("making {}", path.display()))?);
    let count = write(store, &mut file).await?;
    file.into_inner()?.sync_all()?;
    Ok(count)
}

async fn write(store: &Store, target: &mut impl Write) -> anyhow::Result<u64> {
    let (mut after, mut count) = (0, 0);
    loop {
        let page = store.export(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after = last.user.id;
        for user in page {
            serde_json::to_writer(&mut *target, &Line::from(user))?;
            target.write_all(b"\n")?;
            count += 1;
        }
        if count % 100_000 < PAGE {
            tell(format_args!("{count} users so far"));
        }
    }
}
