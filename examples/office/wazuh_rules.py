"""The Wazuh rules that fire in the office: number, level, name, groups and ATT&CK ids as in Wazuh's ruleset."""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """A rule of Wazuh: its level (0 to 16), its groups and the ATT&CK techniques that it states."""

    level: int
    description: str
    groups: str
    mitre: str = ""


_WIN, _SYS = "windows,windows_security", "syslog"
_FAIL = "authentication_failed"
RULES = {
    "502": Rule(3, "Wazuh server started.", "ossec"),
    "503": Rule(3, "Wazuh agent started.", "ossec"),
    "506": Rule(3, "Wazuh agent stopped.", "ossec", "T1562.001"),
    "510": Rule(7, "Host-based anomaly detection event (rootcheck).", "ossec,rootcheck"),
    "533": Rule(7, "Listened ports status (netstat) changed (new port opened or closed).", "ossec"),
    "550": Rule(7, "Integrity checksum changed.", "ossec,syscheck,syscheck_entry_modified,syscheck_file", "T1565.001"),
    "553": Rule(7, "File deleted.", "ossec,syscheck,syscheck_entry_deleted,syscheck_file", "T1070.004,T1485"),
    "554": Rule(5, "File added to the system.", "ossec,syscheck,syscheck_entry_added,syscheck_file"),
    "2902": Rule(7, "New dpkg (Debian Package) installed.", "syslog,dpkg,config_changed", "T1072"),
    "3301": Rule(
        6, "Postfix: Attempt to use mail server as relay (client host rejected).", "syslog,postfix,spam", "T1114"
    ),
    "3303": Rule(
        5, "Postfix: Sender domain is not found (450: Requested mail action not taken).", "syslog,postfix,spam", "T1114"
    ),
    "3306": Rule(6, "Postfix: IP Address black-listed by anti-spam (blocked).", "syslog,postfix,spam", "T1114"),
    "3332": Rule(5, "Postfix SASL authentication failure.", f"syslog,postfix,{_FAIL}"),
    "3398": Rule(6, "Postfix: Illegal address from unknown sender", "syslog,postfix,spam", "T1114"),
    "4101": Rule(5, "Firewall drop event.", "firewall,firewall_drop"),
    "4151": Rule(10, "Multiple Firewall drop events from same source.", "firewall,multiple_drops"),
    "5402": Rule(3, "Successful sudo to ROOT executed.", "syslog,sudo", "T1548.003"),
    "5501": Rule(3, "PAM: Login session opened.", "pam,syslog,authentication_success", "T1078"),
    "5502": Rule(3, "PAM: Login session closed.", "pam,syslog"),
    "5706": Rule(6, "sshd: insecure connection attempt (scan).", "syslog,sshd,recon", "T1021.004"),
    "5710": Rule(
        5,
        "sshd: Attempt to login using a non-existent user",
        f"syslog,sshd,{_FAIL},invalid_login",
        "T1110.001,T1021.004",
    ),
    "5712": Rule(
        10,
        "sshd: brute force trying to get access to the system. Non existent user.",
        "syslog,sshd,authentication_failures",
        "T1110",
    ),
    "5715": Rule(3, "sshd: authentication success.", "syslog,sshd,authentication_success", "T1078,T1021"),
    "5760": Rule(5, "sshd: authentication failed.", f"syslog,sshd,{_FAIL}", "T1110.001,T1021.004"),
    "12108": Rule(3, "Query cache denied (probably config error).", "syslog,named,access_denied"),
    "19004": Rule(7, "SCA summary: {title}: Score less than 50% ({score})", "sca"),
    "19007": Rule(7, "CIS benchmark: {title}", "sca"),
    "19008": Rule(3, "CIS benchmark: {title}", "sca"),
    "31101": Rule(5, "Web server 400 error code.", "web,accesslog,attack"),
    "31103": Rule(7, "SQL injection attempt.", "web,accesslog,attack,sql_injection", "T1190"),
    "31104": Rule(6, "Common web attack.", "web,accesslog,attack", "T1055,T1083,T1190"),
    "31120": Rule(5, "Web server 500 error code (server error).", "web,accesslog"),
    "31151": Rule(
        10, "Multiple web server 400 error codes from same source ip.", "web,accesslog,web_scan,recon", "T1595.002"
    ),
    "52507": Rule(3, "ClamAV database update", "clamd,freshclam,virus"),
    "60106": Rule(3, "Windows Logon Success", f"{_WIN},authentication_success", "T1078"),
    "60109": Rule(8, "User account enabled or created", f"{_WIN},adduser,account_changed", "T1098"),
    "60113": Rule(5, "Group Account Changed", f"{_WIN},group_changed,win_group_changed", "T1484"),
    "60115": Rule(
        9, "User account locked out (multiple login errors)", f"{_WIN},authentication_failures", "T1110,T1531"
    ),
    "60122": Rule(5, "Logon Failure - Unknown user or bad password", f"{_WIN},{_FAIL}", "T1531"),
    "60137": Rule(3, "Windows User Logoff", _WIN),
    "60154": Rule(12, "Administrators Group Changed", f"{_WIN},group_changed,win_group_changed", "T1484"),
    "60204": Rule(10, "Multiple Windows Logon Failures", f"{_WIN},authentication_failures", "T1110"),
    "60642": Rule(3, "Software protection service scheduled successfully.", "windows,windows_application"),
    "61104": Rule(3, "Service startup type was changed", "windows,windows_system,policy_changed", "T1543.003"),
    "61138": Rule(5, "New Windows Service Created", "windows,windows_system", "T1543.003"),
    "62108": Rule(3, "Windows Defender: Antimalware scan finished", "windows,windows_defender"),
    "62123": Rule(
        12,
        "Windows Defender: Antimalware platform detected {severity} potentially unwanted software ({process})",
        "windows,windows_defender",
    ),
    "62124": Rule(
        3,
        "Windows Defender: Antimalware platform performed an action to protect you "
        "from potentially unwanted software ({process})",
        "windows,windows_defender",
    ),
    "62130": Rule(3, "Windows Defender: Antimalware definitions updated successfully", "windows,windows_defender"),
    "63103": Rule(5, "The audit log was cleared", "windows,windows_security,log_clearing_auditlog", "T1070"),
    "67028": Rule(3, "Special privileges assigned to new logon.", "windows,WEF", "T1484"),
    "92031": Rule(3, "Discovery activity executed", "sysmon,sysmon_eid1_detections,windows", "T1087"),
    "92032": Rule(
        3, "Suspicious Windows cmd shell execution", "sysmon,sysmon_eid1_detections,windows", "T1087,T1059.003"
    ),
    "92004": Rule(
        4,
        "Powershell process spawned Windows command shell instance",
        "sysmon,sysmon_eid1_detections,windows",
        "T1059.003",
    ),
    "92057": Rule(
        12,
        "Powershell.exe spawned a powershell process which executed a base64 encoded command",
        "sysmon,sysmon_eid1_detections,windows",
        "T1059.001",
    ),
    "92213": Rule(
        15,
        "Executable file dropped in folder commonly used by malware",
        "sysmon,sysmon_eid11_detections,windows",
        "T1105",
    ),
    "92652": Rule(
        6,
        "Successful Remote Logon Detected - User:\\{user} - NTLM authentication, possible pass-the-hash attack.",
        "windows,WEF",
        "T1550.002,T1078.002",
    ),
    "92900": Rule(
        12,
        "Lsass process was accessed by {source} with read permissions, possible credential dump",
        "sysmon,sysmon_eid10_detections,windows",
        "T1003.001",
    ),
}
MITRE = {
    "T1003.001": ("Credential Access", "LSASS Memory"),
    "T1021": ("Lateral Movement", "Remote Services"),
    "T1021.004": ("Lateral Movement", "SSH"),
    "T1055": ("Defense Evasion,Privilege Escalation", "Process Injection"),
    "T1059.001": ("Execution", "PowerShell"),
    "T1059.003": ("Execution", "Windows Command Shell"),
    "T1070": ("Defense Evasion", "Indicator Removal"),
    "T1070.004": ("Defense Evasion", "File Deletion"),
    "T1072": ("Execution,Lateral Movement", "Software Deployment Tools"),
    "T1078": ("Defense Evasion,Persistence,Privilege Escalation,Initial Access", "Valid Accounts"),
    "T1078.002": ("Defense Evasion,Persistence,Privilege Escalation,Initial Access", "Domain Accounts"),
    "T1083": ("Discovery", "File and Directory Discovery"),
    "T1087": ("Discovery", "Account Discovery"),
    "T1098": ("Persistence", "Account Manipulation"),
    "T1105": ("Command and Control", "Ingress Tool Transfer"),
    "T1110": ("Credential Access", "Brute Force"),
    "T1110.001": ("Credential Access", "Password Guessing"),
    "T1114": ("Collection", "Email Collection"),
    "T1190": ("Initial Access", "Exploit Public-Facing Application"),
    "T1484": ("Defense Evasion,Privilege Escalation", "Domain Policy Modification"),
    "T1485": ("Impact", "Data Destruction"),
    "T1531": ("Impact", "Account Access Removal"),
    "T1543.003": ("Persistence,Privilege Escalation", "Windows Service"),
    "T1548.003": ("Privilege Escalation,Defense Evasion", "Sudo and Sudo Caching"),
    "T1550.002": ("Defense Evasion,Lateral Movement", "Pass the Hash"),
    "T1562.001": ("Defense Evasion", "Disable or Modify Tools"),
    "T1565.001": ("Impact", "Stored Data Manipulation"),
    "T1595.002": ("Reconnaissance", "Vulnerability Scanning"),
}
