//! Back-ups, restores and forks: the engine lives through them, and the model beside it.

use super::world::{CODE, World};
use api_schema::fork::ForkRequest;
use api_schema::shapes::Base64Url;
use server::service::Backend;
use server::service::administration::AdminRequest;
use server::service::gridwork::district_path;
use std::path::PathBuf;
use sync_core::ids::ReplicaId;

impl World {
    /// Copies the server's file, as a back-up does.
    pub async fn back_up(&mut self) {
        self.copies += 1;
        let to = self.folder.path().join(format!("copy-{}.db", self.copies));
        self.admin(AdminRequest::Copy { to: to.clone() }).await;
        self.copy = Some((self.oracle.clone(), to));
    }

    /// The server's disk is lost; the copy takes its place.
    pub fn restore(&mut self) {
        let Some((oracle, copy)) = self.copy.take() else {
            return;
        };
        self.gridwork
            .take()
            .expect("it is up")
            .close()
            .expect("it closes");
        let file = district_path(self.folder.path(), CODE);
        for suffix in ["", "-wal", "-shm"] {
            let path = PathBuf::from(format!("{}{suffix}", file.display()));
            let _ = std::fs::remove_file(path);
        }
        std::fs::rename(&copy, &file).expect("the copy is there");
        self.open(true);
        self.oracle.restore(&oracle);
        self.take_directory();
        self.mark("restored");
    }

    /// A phone that was told of a fork goes on under a new name.
    pub async fn continue_fork(&mut self, index: usize) {
        let key = self.new_key();
        let replica = self.new_id();
        let public = key.verifying_key().to_bytes();
        let phone = &self.phones[index];
        let common = phone.received();
        let hash = phone.hash_at(common);
        let message = [
            &phone.replica.as_bytes()[..],
            &replica.as_bytes()[..],
            &public[..],
            &common.to_be_bytes()[..],
            &hash.0[..],
        ]
        .concat();
        let request = ForkRequest {
            old_replica: phone.replica.0,
            replica,
            public_key: Base64Url(public),
            last_common_seq: common,
            last_common_hash: Base64Url(hash.0),
            old_proof: Base64Url(phone.key.sign("gridwork/fork/1", &message).0),
            proof: Base64Url(key.sign("gridwork/fork/1", &message).0),
            device_label: None,
        };
        let answer = match self.engine().fork(request).await {
            Ok(answer) => answer,
            Err(error) => {
                eprintln!("fork refused: {error:?}");
                self.mark("fork refused");
                self.phones.remove(index);
                return;
            }
        };
        self.take_directory();
        let district = self.district;
        let id = ReplicaId(replica);
        self.phones[index].go_on_as(district, id, key, answer.certificate);
        self.mark("fork continued");
    }
}
