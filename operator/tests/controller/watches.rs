//! Watches whose connections die without a word.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kube::api::DeleteParams;
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{admin, apply, config, eventually, manifest, scauths};
use crate::operators::{Operator, clean, exists, namespace, spec};

/// What lies between: it passes bytes on, until the connections that there are fall silent. They stay open.
#[derive(Clone, Default)]
struct Between {
    /// Connections of an earlier age are silent.
    age: Arc<AtomicUsize>,
}

impl Between {
    async fn listen(&self, target: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let between = self.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(between.clone().pass(near, target));
            }
        });
        address
    }

    async fn pass(self, mut near: TcpStream, target: SocketAddr) {
        let age = self.age.load(Ordering::SeqCst);
        let mut far = TcpStream::connect(target).await.unwrap();
        let silenced = async {
            while self.age.load(Ordering::SeqCst) == age {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
            () = silenced => {}
        }
        // Neither closed nor answered any more.
        std::future::pending::<()>().await;
        drop((near, far));
    }

    fn silence(&self) {
        self.age.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_die_silently_are_noticed_and_begun_anew() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "silence").await;
    let mut config = config().await;
    let target = format!("{}:{}", config.cluster_url.host().unwrap(), config.cluster_url.port_u16().unwrap());
    let between = Between::default();
    let address = between.listen(target.parse().unwrap()).await;
    config.cluster_url = format!("https://{address}").parse().unwrap();
    let operator = Operator::start("one", "silence", config, &["--longest-silence", "4s"]);
    let name = "silent";
    apply(&client, manifest(name, spec())).await;
    eventually("all children are there", || exists(&client, Child::DisruptionBudget, name)).await;
    eventually("it is reconciled", || async {
        let scauth = scauths(&client).get(name).await.unwrap();
        scauth.status.is_some_and(|status| status.observed_generation == scauth.metadata.generation)
    })
    .await;

    between.silence();
    let names = Names { scauth: name.into(), namespace: name.into() };
    Child::Service.api(&client, &names.namespace).delete(&names.service(), &DeleteParams::default()).await.unwrap();
    eventually("what was deleted meanwhile is back", || exists(&client, Child::Service, name)).await;
    assert_eq!(operator.page("/healthz").await.0, 200, "it has recovered by itself");
    operator.stop().await;
}
