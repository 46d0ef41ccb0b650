//! The server as a user that the cluster assigns, as OpenShift does: a number that nobody has, in group 0, with a group
//! for the volumes. The test changes the owners of files and its own user, so it needs root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, PATIENCE, Server, command_under, run};

const VOLUME_GROUP: u32 = 1_000_620_000;

/// As in a pod that meets the standard `restricted`. The program is opened before, because this user may not be allowed
/// to enter its folder.
fn as_user(user: u32) -> String {
    format!(
        "exec 9<\"$1\"; shift; exec setpriv --reuid={user} --regid=0 --groups={VOLUME_GROUP} --bounding-set=-all \
         --no-new-privs /proc/self/fd/9 \"$@\""
    )
}

/// As the kubelet prepares a volume for a group: `mode` is added to the mode of each file.
fn give(path: &Path, mode: u32) {
    chown(path, None, Some(VOLUME_GROUP)).expect("this test needs root");
    if !path.is_dir() {
        let before = path.metadata().unwrap().permissions().mode();
        return fs::set_permissions(path, Permissions::from_mode(before | mode)).unwrap();
    }
    fs::set_permissions(path, Permissions::from_mode(0o2770)).unwrap();
    for entry in path.read_dir().unwrap() {
        give(&entry.unwrap().path(), mode);
    }
}

/// The files of the two generated Secrets, which belong to root.
async fn secrets() -> Database {
    let secrets = Database::create(Engine::Sqlite).await;
    let output = run(&secrets, &["keys", "generate"], &[]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (name, value) in [("username", "root"), ("password", PASSWORD)] {
        fs::write(secrets.folder.path().join(name), value).unwrap();
    }
    for entry in secrets.folder.path().read_dir().unwrap() {
        fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o440)).unwrap();
    }
    give(secrets.folder.path(), 0o440);
    secrets
}

#[tokio::test]
async fn any_user_of_the_volumes_group_migrates_serves_and_follows_another() {
    let (database, secrets) = (Database::create(Engine::Sqlite).await, secrets().await);
    let folder = secrets.folder.path().to_str().unwrap();
    let keys = format!("{folder}/sc-auth-keys.json");
    let settings = [("SC_AUTH_KEYS_FILE", keys.as_str()), ("SC_AUTH_BOOTSTRAP_ADMIN", folder)];
    let mut access = None;
    for user in [VOLUME_GROUP, VOLUME_GROUP + 10_000] {
        give(database.folder.path(), 0o660);
        let migrate = command_under(&as_user(user), &database, &["migrate"], &settings).output();
        let output = tokio::time::timeout(PATIENCE, migrate).await.expect("ends by itself").unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

        let mut server = Server::start_under(&as_user(user), &database, &settings).await;
        let token = server.login("root").await.access;
        server.register(&format!("user{user}")).await;
        assert!(server.is_valid(access.get_or_insert(token)).await, "the keys and the sessions are the same");
        assert!(!server.log.text().contains("could not lock the database"), "{}", server.log.text());
        server.signal("TERM");
        assert!(server.ended_well().await);
    }
}
