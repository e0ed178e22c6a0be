CREATE TABLE `fork_ledger` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `user_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `amount` decimal(30,10) NOT NULL,
  `quantity` int NOT NULL,
  `total` decimal(40,10) GENERATED ALWAYS AS (`amount` * `quantity`) STORED,
  `doc` json DEFAULT NULL,
  `doc_kind` varchar(64) GENERATED ALWAYS AS (json_unquote(json_extract(`doc`,'$.kind'))) VIRTUAL,
  `flags` bit(10) DEFAULT NULL,
  `switched` bit(1) NOT NULL DEFAULT b'0',
  `mask` bit(64) DEFAULT NULL,
  `ratio` float DEFAULT NULL,
  `score` double DEFAULT NULL,
  `state` enum('new','done','it''s') NOT NULL DEFAULT 'new',
  `marks` set('read','写','a b') DEFAULT NULL,
  `booked` timestamp(6) NULL DEFAULT NULL,
  `lasted` time(3) DEFAULT NULL,
  `born` date DEFAULT NULL,
  `made` year DEFAULT NULL,
  `old_note` varchar(100) CHARACTER SET latin1 COLLATE latin1_german1_ci DEFAULT NULL,
  `raw` varbinary(300) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `doc_kind` (`doc_kind`)
) COMMENT='generated, JSON and BIT columns; it''s a fork''s'

CREATE TABLE `fork_blobs` (
  `id` binary(16) NOT NULL,
  `user id` varchar(64) DEFAULT NULL COMMENT 'a blank in the name',
  `body` longblob,
  `fixed` binary(4) DEFAULT NULL,
  PRIMARY KEY (`id`)
)

CREATE TABLE `fork_audit` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `ledger_id` bigint DEFAULT NULL,
  `note` text,
  PRIMARY KEY (`id`)
)
