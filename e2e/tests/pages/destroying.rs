//! Destructive commands have their own heading that says so, a sentence on the loss, and a placeholder for the name, so
//! that a reader who pastes a whole page loses nothing.

use std::fs;
use std::path::PathBuf;

use sc_auth_e2e::manifests::root;

/// Words of commands that delete something permanently.
const DESTROYING: [&[&str]; 28] = [
    &["kubectl", "delete"],
    &["kubectl", "replace", "--force"],
    &["kubectl", "drain"],
    &["kubectl", "revoke-key"],
    &["kubectl", "\"suspend\": true"],
    &["kubectl", "\"coexist\": false"],
    &["kubectl", "\"legacyTokens\": null"],
    &["kubectl", "\"ingress\": null"],
    &["kubectl", "--replicas=0"],
    &["kubectl", "--replicas 0"],
    &["kubectl", "\"replicas\": 0"],
    &["helm", "uninstall"],
    &["helm", "delete"],
    &["keys revoke"],
    &["users delete"],
    &["\"disabled\": true"],
    &["-X DELETE"],
    &["--request DELETE"],
    &["DROP "],
    &["TRUNCATE "],
    &["DELETE FROM"],
    &["rm "],
    &["rmdir "],
    &["shred "],
    &["make demo-down"],
    &["dev/cluster down"],
    &["dev/databases down"],
    &["guess"],
];

/// The first words of headings that announce a deletion, in the languages of the pages.
const ANNOUNCING: [&str; 9] =
    ["Delete", "Uninstall", "Revoke", "Suspend", "Restore", "Replace", "Remove", "Finish", "Hapus"];

/// Placeholders: no object has these names.
const PLACEHOLDERS: [&str; 6] = ["NAME", "NAMESPACE", "RELEASE", "DEFINITION", "KID", "USER"];

/// Calls that end only the reader's own session, or a delay.
const HARMLESS: [&str; 2] = ["/accounts/logout", "/login-failures"];

fn destroys(line: &str) -> bool {
    let has = |word: &&str| {
        // Whole words only: not `rm` in `confirm`, nor in `docker run --rm`, which removes only its own container.
        let inside = line.match_indices(*word);
        let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let mut starts = inside.map(|(at, _)| !line[..at].ends_with(is_of_word));
        starts.any(|is_start| is_start)
    };
    DESTROYING.iter().any(|words| words.iter().all(has)) && !HARMLESS.iter().any(|call| line.contains(call))
}

/// Whole words only, not variables or parts of them.
fn has_placeholder(command: &str) -> bool {
    let mut words = command.split(|letter: char| !letter.is_ascii_alphanumeric() && !"_$".contains(letter));
    words.any(|word| PLACEHOLDERS.contains(&word))
}

/// The problems of a page, one per line.
fn faults(page: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut heading, mut is_explained, mut fence, mut command) = ("", false, None, String::new());
    for (number, line) in text.lines().enumerate() {
        match (fence, line.strip_prefix("```")) {
            (None, Some(kind)) => fence = Some(kind),
            (Some(_), Some(_)) => fence = None,
            (None, None) if line.starts_with('#') => {
                (heading, is_explained) = (line.trim_start_matches(['#', ' ']), false);
            }
            (None, None) => is_explained |= !line.trim().is_empty(),
            (Some("yaml" | "json" | "nginx"), None) => {}
            (Some(_), None) => {
                command.push_str(line.trim_end_matches('\\'));
                if line.ends_with('\\') {
                    continue;
                }
                let missing = missing(&command, heading, is_explained);
                if !missing.is_empty() {
                    faults.push(format!("{page}:{}: `{line}` needs {}", number + 1, missing.join(", ")));
                }
                command.clear();
            }
        }
    }
    faults
}

fn missing(command: &str, heading: &str, is_explained: bool) -> Vec<&'static str> {
    if !destroys(command) {
        return Vec::new();
    }
    let needed = [
        (ANNOUNCING.iter().any(|word| heading.starts_with(word)), "a heading of its own that says so"),
        (is_explained, "a sentence on what is lost"),
        (has_placeholder(command), "a placeholder for the name"),
    ];
    needed.into_iter().filter(|(is_there, _)| !is_there).map(|(_, what)| what).collect()
}

fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let is_wanted = |path: &PathBuf| extensions.iter().any(|end| path.extension().is_some_and(|found| found == *end));
    entries.filter(is_wanted).collect()
}

#[test]
fn no_page_destroys_its_readers_data() {
    let mut all = Vec::new();
    for page in [files("", &["md"]), files("docs", &["md"])].concat() {
        let name = page.strip_prefix(root()).unwrap().display().to_string();
        all.extend(faults(&name, &fs::read_to_string(&page).unwrap()));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Samples and the chart's notes have no headings, so they must not have destructive commands at all.
#[test]
fn no_sample_and_no_note_destroys() {
    let notes = files("charts/sc-auth-operator/templates", &["txt"]);
    let folders = ["config/samples", "config/argocd", "config/monitoring", "config/overlay"];
    let samples = folders.iter().flat_map(|folder| files(folder, &["yaml"]));
    for file in notes.into_iter().chain(samples) {
        let text = fs::read_to_string(&file).unwrap();
        // Only commands, not sentences about them.
        let commands = text.lines().map(|line| line.trim_start_matches(['#', ' ']));
        let mut commands =
            commands.filter(|line| ["kubectl ", "helm ", "rm "].iter().any(|start| line.starts_with(start)));
        assert!(!commands.any(destroys), "{}", file.display());
    }
}

/// Earlier versions of the pages must not pass: otherwise, the scan finds nothing.
#[test]
fn the_scan_finds_destructive_commands() {
    let block = |heading: &str, sentence: &str, command: &str| {
        faults("page", &format!("# Page\n## {heading}\n{sentence}\n```sh\n{command}\n```\n"))
    };
    for command in [
        "kubectl delete scauth sc-auth",
        "kubectl -n sc-auth delete secret sc-auth-admin",
        "helm uninstall sc-auth-operator --namespace sc-auth-system",
        "kubectl annotate scauth sc-auth sc-auth.io/revoke-key=\"$KID\"",
        "sc-auth-server keys revoke \"$KID\"",
        "rm scauth.yaml keys.yaml",
        "kubectl scale scauth sc-auth --replicas 0",
        "kubectl patch scauth sc-auth -p '{\"spec\": {\"suspend\": true}}'",
        "mariadb -e 'DROP DATABASE users'",
        "kubectl -n sc-auth \\\n  delete secret sc-auth-admin",
        "for attempt in 1 2 3; do login carol \"guess number $attempt\"; done",
    ] {
        assert_eq!(block("Monitoring", "All is well.", command).len(), 1, "{command}");
        assert_eq!(
            block("Delete it", "All is lost.", command).len(),
            1,
            "{command} names an object that the reader may have"
        );
    }
    let named = "kubectl delete scauth NAME";
    assert!(block("Delete it", "All is lost.", named).is_empty());
    assert_eq!(
        block("Delete it", "", named),
        ["page:5: `kubectl delete scauth NAME` needs a sentence on what is lost"]
    );
    assert!(block("Read", "", "kubectl get scauth -o yaml >confirm.yaml").is_empty());
    assert!(block("With Docker", "", "docker run --rm sc-auth-server").is_empty());
}
