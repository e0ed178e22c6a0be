CREATE TABLE `accounts` (
  `user_id` char(64) NOT NULL,
  `password` varchar(32) DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  `change_time` datetime(3) DEFAULT NULL,
  `operator_user_id` varchar(64) DEFAULT NULL,
  PRIMARY KEY (`user_id`)
)

CREATE TABLE `attributes` (
  `user_id` char(64) NOT NULL,
  `account` char(64) DEFAULT NULL,
  `phone_number` varchar(32) DEFAULT NULL,
  `area_code` varchar(8) DEFAULT NULL,
  `email` varchar(64) DEFAULT NULL,
  `nickname` varchar(64) DEFAULT NULL,
  `face_url` varchar(255) DEFAULT NULL,
  `gender` int DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  `change_time` datetime(3) DEFAULT NULL,
  `birth_time` datetime(3) DEFAULT NULL,
  `level` int DEFAULT NULL,
  `allow_vibration` int DEFAULT '1',
  `allow_beep` int DEFAULT '1',
  `allow_add_friend` int DEFAULT '1',
  `global_recv_msg_opt` int DEFAULT '0',
  PRIMARY KEY (`user_id`),
  KEY `idx_attributes_phone_number` (`phone_number`),
  KEY `idx_attributes_email` (`email`)
)

CREATE TABLE `registers` (
  `user_id` char(64) NOT NULL,
  `device_id` varchar(255) DEFAULT NULL,
  `ip` varchar(32) DEFAULT NULL,
  `platform` varchar(32) DEFAULT NULL,
  `account_type` varchar(32) DEFAULT NULL,
  `mode` varchar(32) DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`user_id`)
)

CREATE TABLE `user_login_records` (
  `user_id` varchar(64) DEFAULT NULL,
  `login_time` datetime(3) DEFAULT NULL,
  `ip` varchar(32) DEFAULT NULL,
  `device_id` varchar(255) DEFAULT NULL,
  `platform` varchar(32) DEFAULT NULL
)

CREATE TABLE `verify_codes` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT,
  `account` char(64) DEFAULT NULL,
  `platform` varchar(32) DEFAULT NULL,
  `code` varchar(32) DEFAULT NULL,
  `duration` bigint unsigned DEFAULT NULL,
  `count` bigint DEFAULT NULL,
  `used` tinyint(1) DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`id`)
)

CREATE TABLE `applets` (
  `id` varchar(64) NOT NULL,
  `name` varchar(64) DEFAULT NULL,
  `app_id` varchar(255) DEFAULT NULL,
  `icon` varchar(255) DEFAULT NULL,
  `url` varchar(255) DEFAULT NULL,
  `md5` varchar(255) DEFAULT NULL,
  `size` bigint DEFAULT NULL,
  `version` varchar(64) DEFAULT NULL,
  `priority` bigint unsigned DEFAULT NULL,
  `status` tinyint unsigned DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `idx_applets_app_id` (`app_id`)
)

CREATE TABLE `client_config` (
  `key` varchar(255) NOT NULL,
  `value` text NOT NULL,
  PRIMARY KEY (`key`)
)

CREATE TABLE `admins` (
  `account` varchar(64) NOT NULL,
  `password` varchar(64) DEFAULT NULL,
  `face_url` varchar(255) DEFAULT NULL,
  `nickname` varchar(64) DEFAULT NULL,
  `user_id` varchar(64) DEFAULT NULL,
  `level` int DEFAULT '1',
  `create_time` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`account`)
)

CREATE TABLE `forbidden_accounts` (
  `user_id` char(64) NOT NULL,
  `reason` varchar(255) DEFAULT NULL,
  `operator_user_id` varchar(255) DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`user_id`)
)

CREATE TABLE `invitation_registers` (
  `invitation_code` char(32) NOT NULL,
  `used_by_user_id` char(64) DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`invitation_code`),
  KEY `idx_invitation_registers_used_by_user_id` (`used_by_user_id`)
)

CREATE TABLE `ip_forbiddens` (
  `ip` char(32) NOT NULL,
  `limit_register` tinyint(1) DEFAULT NULL,
  `limit_login` tinyint(1) DEFAULT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`ip`)
)

CREATE TABLE `limit_user_login_ips` (
  `user_id` char(64) NOT NULL,
  `ip` char(32) NOT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`user_id`,`ip`)
)

CREATE TABLE `register_add_friends` (
  `user_id` char(64) NOT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`user_id`)
)

CREATE TABLE `register_add_groups` (
  `group_id` char(64) NOT NULL,
  `create_time` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`group_id`)
)
