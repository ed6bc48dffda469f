//! Attachments over a real data directory: pieces, restarts, refusals that leave nothing, quotas, sweeps and damage.

use super::objects::path_of;
use super::sweep::Swept;
use super::*;
use crate::media::Refusal;
use crate::media::samples;
use crate::service::Backend;
use crate::service::gridwork::OpenOptions;
use crate::service::testing::{GRID, OTHER_TOWN, Phone, TOWN, TestDistrict};
use api_schema::attachment::AttachmentState;
use futures_util::{StreamExt, TryStreamExt, stream};
use image::ImageFormat;
use serde_json::json;
use sha2::Digest;
use sync_core::ids::{RecordId, UnitId};

struct Scene {
    district: TestDistrict,
    worker: Phone,
}

fn hash(bytes: &[u8]) -> Hash {
    Hash::of(&[bytes])
}

fn photo() -> Vec<u8> {
    let exif = [b"Exif\0\0", &samples::tiff()[..]].concat();
    samples::with_segments(&samples::jpeg(640, 400), &[(0xe1, &exif)])
}

fn request(bytes: &[u8], media_type: MediaType) -> UploadRequest {
    UploadRequest {
        size_bytes: bytes.len() as u64,
        sha256: hash(bytes),
        media_type,
        metadata: "filename eA==".to_owned(),
    }
}

fn piece(bytes: &[u8]) -> Piece {
    // As a network hands them over: in some pieces.
    let parts: Vec<_> = bytes
        .chunks(10_000)
        .map(|part| Ok(Bytes::copy_from_slice(part)))
        .collect();
    Piece {
        announced_bytes: Some(bytes.len() as u64),
        checksum: None,
        bytes: stream::iter(parts).boxed(),
    }
}

fn broken(bytes: &[u8]) -> Piece {
    let parts = [Ok(Bytes::copy_from_slice(bytes)), Err(BodyFault::Broken)];
    Piece {
        announced_bytes: None,
        checksum: None,
        bytes: stream::iter(parts).boxed(),
    }
}

fn fault<T>(result: Result<T, ServiceError>) -> AttachmentFault {
    match result {
        Err(ServiceError::Attachment(fault)) => fault,
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("taken"),
    }
}

impl Scene {
    async fn new() -> Self {
        let district = TestDistrict::new().await;
        let mut worker = district.phone(&[("grid_head", TOWN)]).await;
        district.sync(&mut worker).await;
        Self { district, worker }
    }

    fn restart(&mut self, limits: AttachmentLimits) {
        self.district.close();
        self.district.open_with(OpenOptions {
            attachments: limits,
            ..OpenOptions::default()
        });
    }

    fn gridwork(&self) -> &crate::service::gridwork::Gridwork {
        self.district.gridwork()
    }

    fn shelf(&self) -> Arc<Shelf> {
        let background = self.gridwork().background(self.district.district());
        Arc::clone(background.expect("open").attachments.shelf())
    }

    /// A report that names bytes, accepted by the server.
    async fn name(&mut self, sha256: Hash, unit: UnitId) -> RecordId {
        let worker = &mut self.worker;
        let record = self
            .district
            .report(worker, unit, "SAN-01", "三号楼前堆放垃圾");
        let open =
            json!({"sha256": sha256.to_string(), "size_bytes": 1, "media_type": "image/jpeg"});
        self.district
            .make(worker, record, unit, "attachment.add", &open);
        self.district.sync(worker).await;
        record
    }

    async fn states(&self, record: RecordId) -> Vec<AttachmentState> {
        let language = crate::language::Language::English;
        let detail = self
            .gridwork()
            .get_record(self.worker.caller, record.0, language)
            .await;
        detail.expect("in scope").attachments
    }

    async fn create(&self, request: UploadRequest) -> Result<UploadState, ServiceError> {
        self.gridwork()
            .create_upload(self.worker.caller, request, None)
            .await
    }

    async fn append(
        &self,
        id: Uuid,
        offset: u64,
        piece: Piece,
    ) -> Result<UploadState, ServiceError> {
        self.gridwork()
            .append_upload(self.worker.caller, id, offset, piece)
            .await
    }

    async fn offset(&self, id: Uuid) -> Result<u64, ServiceError> {
        let found = self.gridwork().find_upload(self.worker.caller, id).await;
        found.map(|state| state.offset_bytes)
    }

    async fn send(&self, bytes: &[u8], media_type: MediaType) -> Result<UploadState, ServiceError> {
        let created = self.create(request(bytes, media_type)).await?;
        self.append(created.id, 0, piece(bytes)).await
    }

    async fn read(
        &self,
        phone: &Phone,
        record: RecordId,
        sha256: Hash,
        rendition: Rendition,
    ) -> Result<Vec<u8>, ServiceError> {
        let file = self
            .gridwork()
            .attachment(phone.caller, record.0, sha256, rendition)
            .await?;
        let length = file.size_bytes;
        let bytes: Vec<Bytes> = (file.open)(0, length)
            .await?
            .try_collect()
            .await
            .expect("whole");
        assert_eq!(bytes.concat().len() as u64, length);
        Ok(bytes.concat())
    }

    /// Part files, and objects.
    async fn left(&self) -> (usize, usize) {
        let shelf = self.shelf();
        let parts = std::fs::read_dir(&shelf.parts).expect("a folder").count();
        (parts, shelf.objects.list().await.expect("a list").len())
    }
}

#[tokio::test]
async fn a_photo_that_a_change_named_comes_in_pieces_and_is_read_with_its_record() {
    let mut scene = Scene::new().await;
    let photo = photo();
    let record = scene.name(hash(&photo), GRID).await;
    let missing = AttachmentState {
        sha256: hash(&photo).to_string(),
        ..AttachmentState::default()
    };
    assert_eq!(scene.states(record).await, std::slice::from_ref(&missing));
    let read = scene
        .read(&scene.worker, record, hash(&photo), Rendition::Whole)
        .await;
    assert_eq!(fault(read), AttachmentFault::Missing);

    let created = scene
        .create(request(&photo, MediaType::Jpeg))
        .await
        .expect("begun");
    assert_eq!(
        (created.offset_bytes, created.size_bytes),
        (0, photo.len() as u64)
    );
    let state = scene
        .append(created.id, 0, piece(&photo[..5_000]))
        .await
        .expect("taken");
    assert_eq!(state.offset_bytes, 5_000);
    assert_eq!(scene.offset(created.id).await.expect("there"), 5_000);
    assert_eq!(scene.states(record).await, [missing]);
    let state = scene
        .append(created.id, 5_000, piece(&photo[5_000..]))
        .await
        .expect("taken");
    assert_eq!(state.offset_bytes, photo.len() as u64);
    assert_eq!(
        scene.offset(created.id).await.expect("there"),
        photo.len() as u64
    );
    assert_eq!(scene.left().await, (0, 2), "the photo and its thumbnail");

    let states = scene.states(record).await;
    let shown = &states[0];
    assert!(shown.present && shown.thumbnail, "{shown:?}");
    assert_eq!((shown.width, shown.height), (Some(640), Some(400)));
    // 08:30 in Shanghai.
    assert_eq!(shown.taken_at_ms, Some(1_772_411_400_000));
    let place = shown.place.expect("a place");
    assert_eq!(
        (place.latitude_e7, place.longitude_e7),
        (225_000_000, 1_140_500_000)
    );
    let kept = scene
        .read(&scene.worker, record, hash(&photo), Rendition::Whole)
        .await
        .expect("readable");
    assert_eq!(Some(hash(&kept).to_string()), shown.kept_sha256);
    assert!(kept.len() < photo.len());
    let small = scene
        .read(&scene.worker, record, hash(&photo), Rendition::Thumbnail)
        .await
        .expect("readable");
    assert_eq!(
        image::load_from_memory(&small).expect("an image").height(),
        320
    );

    // The right to read it is the right to read the record, and only by that record.
    let stranger = scene.district.phone(&[("grid_head", OTHER_TOWN)]).await;
    let refused = scene
        .read(&stranger, record, hash(&photo), Rendition::Whole)
        .await;
    assert!(matches!(refused, Err(ServiceError::NotFound)));
    let other = scene.name(hash(b"other"), GRID).await;
    let refused = scene
        .read(&scene.worker, other, hash(&photo), Rendition::Whole)
        .await;
    assert!(matches!(refused, Err(ServiceError::NotFound)));
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart_and_bytes_that_were_not_told_are_cut() {
    let mut scene = Scene::new().await;
    let photo = photo();
    let created = scene
        .create(request(&photo, MediaType::Jpeg))
        .await
        .expect("begun");
    scene
        .append(created.id, 0, piece(&photo[..7_000]))
        .await
        .expect("taken");
    // What a crash leaves that was written and never noted.
    let part = scene.shelf().part_path(created.id);
    let written = [&photo[..7_000], b"garbage"].concat();
    std::fs::write(&part, &written).expect("written");
    scene.restart(AttachmentLimits::default());
    assert_eq!(scene.offset(created.id).await.expect("there"), 7_000);
    scene
        .append(created.id, 7_000, piece(&photo[7_000..]))
        .await
        .expect("whole");
    assert_eq!(scene.left().await, (0, 2));
    scene.restart(AttachmentLimits::default());
    assert_eq!(
        scene.offset(created.id).await.expect("there"),
        photo.len() as u64
    );
}

#[tokio::test]
async fn what_is_refused_at_its_end_leaves_nothing_behind() {
    let scene = Scene::new().await;
    let plain = samples::jpeg(40, 40);
    let trailing = [&plain[..], b"x"].concat();
    let huge = samples::claimed_png(60_000, 60_000);
    let limit = MediaLimits::default().pixels_max;
    for (bytes, media_type, refusal) in [
        (&trailing, MediaType::Jpeg, Refusal::TrailingBytes),
        (&huge, MediaType::Png, Refusal::TooManyPixels { limit }),
        (&plain, MediaType::Png, Refusal::TypeDiffers),
    ] {
        let created = scene
            .create(request(bytes, media_type))
            .await
            .expect("begun");
        let sent = scene.append(created.id, 0, piece(bytes)).await;
        assert_eq!(fault(sent), AttachmentFault::Refused(refusal));
        assert!(matches!(
            scene.offset(created.id).await,
            Err(ServiceError::NotFound)
        ));
    }
    let mut lying = request(&plain, MediaType::Jpeg);
    lying.sha256 = hash(b"something else");
    let created = scene.create(lying).await.expect("begun");
    let sent = scene.append(created.id, 0, piece(&plain)).await;
    assert_eq!(fault(sent), AttachmentFault::HashDiffers);
    assert_eq!(scene.left().await, (0, 0));

    let mut large = request(&plain, MediaType::Mp4Video);
    large.size_bytes = 104_857_601;
    let refused = scene.create(large.clone()).await;
    assert!(matches!(
        refused,
        Err(ServiceError::LimitExceeded {
            limit: "attachment_bytes",
            ..
        })
    ));
    large.size_bytes = 33 << 20;
    large.media_type = MediaType::Jpeg;
    let refused = scene.create(large).await;
    assert!(matches!(
        refused,
        Err(ServiceError::LimitExceeded {
            limit: "image_bytes",
            ..
        })
    ));
    assert_eq!(scene.left().await, (0, 0));
}

#[tokio::test]
async fn a_wrong_piece_leaves_only_what_was_right_before_it() {
    let scene = Scene::new().await;
    let photo = photo();
    let id = scene
        .create(request(&photo, MediaType::Jpeg))
        .await
        .expect("begun")
        .id;
    scene
        .append(id, 0, piece(&photo[..4_000]))
        .await
        .expect("taken");
    for offset in [0, 3_999, 4_001, photo.len() as u64, u64::MAX] {
        let refused = scene.append(id, offset, piece(&photo[..10])).await;
        assert_eq!(
            fault(refused),
            AttachmentFault::OffsetDiffers {
                offset_bytes: 4_000
            }
        );
    }
    let mut lying = piece(&photo[4_000..6_000]);
    lying.checksum = Some(Checksum::Sha256(vec![7; 32]));
    assert_eq!(
        fault(scene.append(id, 4_000, lying).await),
        AttachmentFault::ChecksumDiffers
    );
    let mut cut = broken(&photo[4_000..6_000]);
    cut.checksum = Some(Checksum::Sha1(vec![7; 20]));
    assert_eq!(
        fault(scene.append(id, 4_000, cut).await),
        AttachmentFault::Body(BodyFault::Broken)
    );
    let too_much = [&photo[4_000..], b"more"].concat();
    for announced in [Some(too_much.len() as u64), None] {
        let mut over = piece(&too_much);
        over.announced_bytes = announced;
        let refused = scene.append(id, 4_000, over).await;
        assert!(matches!(
            refused,
            Err(ServiceError::LimitExceeded {
                limit: "upload_bytes",
                ..
            })
        ));
    }
    assert_eq!(scene.offset(id).await.expect("there"), 4_000);
    let part = std::fs::metadata(scene.shelf().part_path(id)).expect("a file");
    assert_eq!(part.len(), 4_000, "what is not kept takes no room");
    // Without a check sum what came is kept, and told.
    let refused = scene.append(id, 4_000, broken(&photo[4_000..6_000])).await;
    assert_eq!(fault(refused), AttachmentFault::Body(BodyFault::Broken));
    assert_eq!(scene.offset(id).await.expect("there"), 6_000);
    let mut right = piece(&photo[6_000..8_000]);
    right.checksum = Some(Checksum::Sha256(hash(&photo[6_000..8_000]).0.to_vec()));
    scene.append(id, 6_000, right).await.expect("taken");
    let mut right = piece(&photo[8_000..9_000]);
    let sum = sha1::Sha1::digest(&photo[8_000..9_000]);
    right.checksum = Some(Checksum::Sha1(sum.to_vec()));
    scene.append(id, 8_000, right).await.expect("taken");
    // The connection breaks behind the last byte: it is whole all the same.
    let whole = scene
        .append(id, 9_000, broken(&photo[9_000..]))
        .await
        .expect("whole");
    assert_eq!(whole.offset_bytes, whole.size_bytes);
}

#[tokio::test]
async fn what_is_there_is_not_sent_twice_by_whoever_may_read_it() {
    let mut scene = Scene::new().await;
    let photo = photo();
    scene.name(hash(&photo), GRID).await;
    scene.send(&photo, MediaType::Jpeg).await.expect("whole");
    let again = scene
        .create(request(&photo, MediaType::Jpeg))
        .await
        .expect("there");
    assert_eq!(again.offset_bytes, again.size_bytes, "one's own");
    let shelf = scene.shelf();
    let followed = Arc::clone(&shelf);
    blocking(move || followed.follow_names(&|| true))
        .await
        .expect("followed");
    assert_eq!(
        shelf.named_up_to().expect("a place"),
        scene.district.district().state().head.0
    );
    for (unit, at_once) in [(TOWN, true), (OTHER_TOWN, false)] {
        let phone = scene.district.phone(&[("grid_head", unit)]).await;
        let request = request(&photo, MediaType::Jpeg);
        let created = scene
            .gridwork()
            .create_upload(phone.caller, request, None)
            .await
            .expect("begun");
        assert_eq!(created.offset_bytes == created.size_bytes, at_once);
        if !at_once {
            let sent = scene
                .gridwork()
                .append_upload(phone.caller, created.id, 0, piece(&photo))
                .await;
            assert_eq!(sent.expect("whole").offset_bytes, photo.len() as u64);
        }
    }
    assert_eq!(scene.left().await, (0, 2), "one of each all the same");
}

#[tokio::test]
async fn an_upload_belongs_to_its_replica() {
    let scene = Scene::new().await;
    let photo = photo();
    let id = scene
        .create(request(&photo, MediaType::Jpeg))
        .await
        .expect("begun")
        .id;
    let other = scene.district.phone(&[("grid_head", TOWN)]).await;
    let gridwork = scene.gridwork();
    assert!(matches!(
        gridwork.find_upload(other.caller, id).await,
        Err(ServiceError::NotFound)
    ));
    assert!(matches!(
        gridwork.end_upload(other.caller, id).await,
        Err(ServiceError::NotFound)
    ));
    let sent = gridwork
        .append_upload(other.caller, id, 0, piece(&photo))
        .await;
    assert!(matches!(sent, Err(ServiceError::NotFound)));
    gridwork
        .end_upload(scene.worker.caller, id)
        .await
        .expect("ended");
    assert!(matches!(
        scene.offset(id).await,
        Err(ServiceError::NotFound)
    ));
    assert_eq!(scene.left().await, (0, 0));
}

#[tokio::test]
async fn the_newest_request_wins_over_a_connection_that_nobody_knows_to_be_dead() {
    let scene = Scene::new().await;
    let photo = photo();
    let id = scene
        .create(request(&photo, MediaType::Jpeg))
        .await
        .expect("begun")
        .id;
    let (came, arrives) = tokio::sync::oneshot::channel();
    let first = stream::iter([Ok(Bytes::copy_from_slice(&photo[..3_000]))]);
    let hangs = first.chain(stream::once(async move {
        came.send(()).expect("somebody waits");
        std::future::pending().await
    }));
    let dead = Piece {
        announced_bytes: None,
        checksum: None,
        bytes: hangs.boxed(),
    };
    let looking = async {
        arrives.await.expect("it begins");
        scene.offset(id).await
    };
    let (hung, offset) = tokio::join!(scene.append(id, 0, dead), looking);
    assert_eq!(fault(hung), AttachmentFault::TakenOver);
    assert_eq!(offset.expect("there"), 3_000, "what had come is kept");
    scene
        .append(id, 3_000, piece(&photo[3_000..]))
        .await
        .expect("whole");
}

#[tokio::test]
async fn a_phone_begins_no_more_in_a_day_than_it_may() {
    let mut scene = Scene::new().await;
    scene.restart(AttachmentLimits {
        day_files_max: 2,
        day_bytes_max: 5_000,
        ..AttachmentLimits::default()
    });
    let of_size = |text: &str, size_bytes| UploadRequest {
        size_bytes,
        ..request(text.as_bytes(), MediaType::Jpeg)
    };
    let first = scene.create(of_size("a", 2_000)).await.expect("begun");
    // Begun again, because the answer was lost: the one before ends and counts for nothing.
    scene.create(of_size("a", 2_000)).await.expect("begun");
    assert!(matches!(
        scene.offset(first.id).await,
        Err(ServiceError::NotFound)
    ));
    assert_eq!(
        fault(scene.create(of_size("b", 3_001)).await),
        AttachmentFault::QuotaUsed
    );
    scene.create(of_size("b", 3_000)).await.expect("begun");
    assert_eq!(
        fault(scene.create(of_size("c", 1)).await),
        AttachmentFault::QuotaUsed
    );
    assert_eq!(scene.left().await, (2, 0));
    let other = scene.district.phone(&[("grid_head", TOWN)]).await;
    let begun = scene
        .gridwork()
        .create_upload(other.caller, of_size("c", 1), None)
        .await;
    begun.expect("another phone's day");
    scene.district.clock.advance_ms(24 * 3_600_000);
    scene.create(of_size("c", 1)).await.expect("another day");
}

#[tokio::test]
async fn ended_uploads_unnamed_bytes_and_strays_are_swept_and_nothing_else() {
    let mut scene = Scene::new().await;
    let named = photo();
    let record = scene.name(hash(&named), GRID).await;
    let unnamed = samples::encoded(50, 50, ImageFormat::Png);
    scene.send(&named, MediaType::Jpeg).await.expect("whole");
    scene.send(&unnamed, MediaType::Png).await.expect("whole");
    let open = scene
        .create(request(b"never sent", MediaType::Jpeg))
        .await
        .expect("begun");
    let shelf = scene.shelf();
    let sweep = async |lists| shelf.sweep(lists, &|| true).await.expect("swept");
    assert_eq!(
        sweep(true).await,
        Swept::default(),
        "everything has its time"
    );
    assert_eq!(scene.left().await, (1, 4));

    let day_ms = 24 * 3_600_000;
    scene.district.clock.advance_ms(8 * day_ms);
    assert_eq!(
        sweep(false).await,
        Swept {
            uploads: 1,
            ..Swept::default()
        }
    );
    assert!(matches!(
        scene.offset(open.id).await,
        Err(ServiceError::NotFound)
    ));
    scene.district.clock.advance_ms(23 * day_ms);
    assert_eq!(
        sweep(false).await,
        Swept {
            orphans: 1,
            ..Swept::default()
        }
    );
    assert_eq!(scene.left().await, (0, 2));

    // What crashes leave: a part file and an object that no row knows, and a write that never got its name.
    std::fs::write(shelf.part_path(Uuid::from_u128(5)), b"left").expect("written");
    let stray = hash(b"stray");
    shelf
        .objects
        .put(
            stray,
            crate::media::CleanBytes::Memory(Bytes::from_static(b"stray")),
        )
        .await
        .expect("put");
    let object = scene
        .district
        .folder
        .path()
        .join("attachments/440399/objects")
        .join(path_of(stray).as_ref());
    std::fs::write(format!("{}#1", object.display()), b"half").expect("written");
    scene
        .district
        .clock
        .set_wall_ms(super::sweep::modified_ms(&object).expect("a file") + 1_000);
    assert_eq!(sweep(true).await, Swept::default(), "they may be under way");
    scene.district.clock.advance_ms(2 * 3_600_000);
    assert_eq!(
        sweep(true).await,
        Swept {
            strays: 2,
            ..Swept::default()
        }
    );
    assert_eq!(
        std::fs::read_dir(object.parent().expect("a folder"))
            .expect("a folder")
            .count(),
        0
    );
    assert_eq!(scene.left().await, (0, 2));
    assert!(scene.states(record).await[0].present);
}

#[tokio::test]
async fn damaged_bytes_are_never_served_and_may_be_sent_again() {
    let mut scene = Scene::new().await;
    let photo = photo();
    let record = scene.name(hash(&photo), GRID).await;
    scene.send(&photo, MediaType::Jpeg).await.expect("whole");
    let kept = scene
        .read(&scene.worker, record, hash(&photo), Rendition::Whole)
        .await
        .expect("readable");
    let objects = scene
        .district
        .folder
        .path()
        .join("attachments/440399/objects");
    let object = objects.join(path_of(hash(&kept)).as_ref());
    let mut spoilt = kept.clone();
    spoilt[kept.len() / 2] ^= 1;
    std::fs::write(&object, spoilt).expect("written");
    let read = scene
        .read(&scene.worker, record, hash(&photo), Rendition::Whole)
        .await;
    assert_eq!(fault(read), AttachmentFault::Missing);
    assert!(!scene.states(record).await[0].present);
    assert!(
        objects
            .join("damaged")
            .join(hash(&kept).to_string())
            .exists()
    );
    scene
        .send(&photo, MediaType::Jpeg)
        .await
        .expect("whole again");
    let again = scene
        .read(&scene.worker, record, hash(&photo), Rendition::Whole)
        .await;
    assert_eq!(again.expect("readable"), kept);
    // A file that is gone is the same.
    std::fs::remove_file(&object).expect("removed");
    let read = scene
        .read(&scene.worker, record, hash(&photo), Rendition::Whole)
        .await;
    assert_eq!(fault(read), AttachmentFault::Missing);
}

#[tokio::test]
async fn a_film_is_put_away_and_read_in_parts() {
    let mut scene = Scene::new().await;
    // Larger than what is checked in memory.
    let mut film = samples::mp4(b"vide", 1, "");
    film.extend(samples::mp4_box(b"mdat", &vec![3; 9 << 20]));
    let record = scene.name(hash(&film), GRID).await;
    let created = scene
        .create(request(&film, MediaType::Mp4Video))
        .await
        .expect("begun");
    scene
        .append(created.id, 0, broken(&film[..6 << 20]))
        .await
        .expect_err("broken");
    assert_eq!(scene.offset(created.id).await.expect("there"), 6 << 20);
    scene
        .append(created.id, 6 << 20, piece(&film[6 << 20..]))
        .await
        .expect("whole");
    let kept = scene
        .read(&scene.worker, record, hash(&film), Rendition::Whole)
        .await
        .expect("readable");
    assert_eq!((kept.len(), kept != film), (film.len(), true));
    let caller = scene.worker.caller;
    let file = scene
        .gridwork()
        .attachment(caller, record.0, hash(&film), Rendition::Whole)
        .await
        .expect("readable");
    let part: Vec<Bytes> = (file.open)(5_000, 70_000)
        .await
        .expect("opens")
        .try_collect()
        .await
        .expect("whole");
    assert_eq!(part.concat(), kept[5_000..75_000]);
    let small = scene
        .read(&scene.worker, record, hash(&film), Rendition::Thumbnail)
        .await;
    assert!(matches!(small, Err(ServiceError::NotFound)));
}
