CREATE TABLE `users` (
  `user_id` varchar(64) NOT NULL,
  `name` varchar(255) DEFAULT NULL,
  `face_url` varchar(255) DEFAULT NULL,
  `ex` varchar(1024) DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  `app_manger_level` int DEFAULT '1',
  `global_recv_msg_opt` int DEFAULT NULL,
  PRIMARY KEY (`user_id`),
  KEY `idx_users_create_time` (`create_time`)
)

CREATE TABLE `friends` (
  `owner_user_id` varchar(64) NOT NULL,
  `friend_user_id` varchar(64) NOT NULL,
  `remark` varchar(255) DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  `add_source` int DEFAULT NULL,
  `operator_user_id` varchar(64) DEFAULT NULL,
  `ex` varchar(1024) DEFAULT NULL,
  PRIMARY KEY (`owner_user_id`,`friend_user_id`)
)

CREATE TABLE `friend_requests` (
  `from_user_id` varchar(64) NOT NULL,
  `to_user_id` varchar(64) NOT NULL,
  `handle_result` int DEFAULT NULL,
  `req_msg` varchar(255) DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  `handler_user_id` varchar(64) DEFAULT NULL,
  `handle_msg` varchar(255) DEFAULT NULL,
  `handle_time` datetime(3) DEFAULT NULL,
  `ex` varchar(1024) DEFAULT NULL,
  PRIMARY KEY (`from_user_id`,`to_user_id`)
)

CREATE TABLE `blacks` (
  `owner_user_id` varchar(64) NOT NULL,
  `block_user_id` varchar(64) NOT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  `add_source` int DEFAULT NULL,
  `operator_user_id` varchar(64) DEFAULT NULL,
  `ex` varchar(1024) DEFAULT NULL,
  PRIMARY KEY (`owner_user_id`,`block_user_id`)
)

CREATE TABLE `groups` (
  `group_id` varchar(64) NOT NULL,
  `name` varchar(255) DEFAULT NULL,
  `notification` varchar(255) DEFAULT NULL,
  `introduction` varchar(255) DEFAULT NULL,
  `face_url` varchar(255) DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  `ex` longtext,
  `status` int DEFAULT NULL,
  `creator_user_id` varchar(64) DEFAULT NULL,
  `group_type` int DEFAULT NULL,
  `need_verification` int DEFAULT NULL,
  `look_member_info` int DEFAULT NULL,
  `apply_member_friend` int DEFAULT NULL,
  `notification_update_time` datetime(3) DEFAULT NULL,
  `notification_user_id` varchar(64) DEFAULT NULL,
  PRIMARY KEY (`group_id`),
  KEY `idx_groups_create_time` (`create_time`)
)

CREATE TABLE `group_members` (
  `group_id` varchar(64) NOT NULL,
  `user_id` varchar(64) NOT NULL,
  `nickname` varchar(255) DEFAULT NULL,
  `user_group_face_url` varchar(255) DEFAULT NULL,
  `role_level` int DEFAULT NULL,
  `join_time` datetime(3) DEFAULT NULL,
  `join_source` int DEFAULT NULL,
  `inviter_user_id` varchar(64) DEFAULT NULL,
  `operator_user_id` varchar(64) DEFAULT NULL,
  `mute_end_time` datetime(3) DEFAULT NULL,
  `ex` varchar(1024) DEFAULT NULL,
  PRIMARY KEY (`group_id`,`user_id`)
)

CREATE TABLE `group_requests` (
  `user_id` varchar(64) NOT NULL,
  `group_id` varchar(64) NOT NULL,
  `handle_result` int DEFAULT NULL,
  `req_msg` varchar(1024) DEFAULT NULL,
  `handle_msg` varchar(1024) DEFAULT NULL,
  `req_time` datetime(3) DEFAULT NULL,
  `handle_user_id` varchar(64) DEFAULT NULL,
  `handle_time` datetime(3) DEFAULT NULL,
  `join_source` int DEFAULT NULL,
  `inviter_user_id` varchar(64) DEFAULT NULL,
  `ex` varchar(1024) DEFAULT NULL,
  PRIMARY KEY (`user_id`,`group_id`)
)

CREATE TABLE `conversations` (
  `owner_user_id` char(128) NOT NULL,
  `conversation_id` char(128) NOT NULL,
  `conversation_type` int DEFAULT NULL,
  `user_id` char(64) DEFAULT NULL,
  `group_id` char(128) DEFAULT NULL,
  `recv_msg_opt` int DEFAULT NULL,
  `is_pinned` tinyint(1) DEFAULT NULL,
  `is_private_chat` tinyint(1) DEFAULT NULL,
  `burn_duration` int DEFAULT '30',
  `group_at_type` int DEFAULT NULL,
  `attached_info` varchar(1024) DEFAULT NULL,
  `ex` varchar(1024) DEFAULT NULL,
  `max_seq` bigint DEFAULT NULL,
  `min_seq` bigint DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  `is_msg_destruct` tinyint(1) DEFAULT '0',
  `msg_destruct_time` bigint DEFAULT '604800',
  `latest_msg_destruct_time` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`owner_user_id`,`conversation_id`),
  KEY `idx_conversations_create_time` (`create_time`)
)

CREATE TABLE `chat_logs` (
  `server_msg_id` char(64) NOT NULL,
  `client_msg_id` char(64) DEFAULT NULL,
  `send_id` char(64) DEFAULT NULL,
  `recv_id` char(64) DEFAULT NULL,
  `sender_platform_id` int DEFAULT NULL,
  `sender_nick_name` varchar(255) DEFAULT NULL,
  `sender_face_url` varchar(255) DEFAULT NULL,
  `session_type` int DEFAULT NULL,
  `msg_from` int DEFAULT NULL,
  `content_type` int DEFAULT NULL,
  `content` varchar(3000) DEFAULT NULL,
  `status` int DEFAULT NULL,
  `send_time` datetime(3) DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  `ex` varchar(1024) DEFAULT NULL,
  PRIMARY KEY (`server_msg_id`),
  KEY `sendTime` (`send_time`),
  KEY `send_id` (`send_time`,`send_id`),
  KEY `recv_id` (`send_time`,`recv_id`),
  KEY `session_type` (`send_time`,`session_type`),
  KEY `session_type_alone` (`session_type`),
  KEY `content_type` (`send_time`,`content_type`),
  KEY `content_type_alone` (`content_type`)
)

CREATE TABLE `object` (
  `name` varchar(191) NOT NULL,
  `user_id` longtext,
  `hash` longtext,
  `key` longtext,
  `size` bigint DEFAULT NULL,
  `content_type` longtext,
  `cause` longtext,
  `create_time` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`name`)
)

CREATE TABLE `logs` (
  `log_id` char(64) NOT NULL,
  `platform` varchar(32) DEFAULT NULL,
  `user_id` char(64) DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  `url` longtext,
  `filename` longtext,
  `system_type` longtext,
  `version` longtext,
  `ex` longtext,
  PRIMARY KEY (`log_id`),
  KEY `idx_logs_create_time` (`create_time` DESC)
)
