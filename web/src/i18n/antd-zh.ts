import zhCN from 'antd/locale/zh_CN';
import 'dayjs/locale/zh-cn';

export default zhCN;
